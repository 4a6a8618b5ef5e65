import { Agent as HttpAgent, type AgentOptions } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { from, Observable, switchMap } from 'rxjs';
import { HttpError, reasonOf } from './errors.js';
import { loadNodeFetch } from './packages.js';

/** A question by HTTP. */
export interface HttpRequest {
  readonly url: URL;
  /** Default: GET. */
  readonly method?: 'GET' | 'POST' | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
  /** A longer answer is a failure, in bytes. */
  readonly maxBytes: number;
  /** The local address to leave from. By default the system chooses. */
  readonly localAddress?: string | undefined;
  /** The address to go to, whatever host the URL names. */
  readonly connectTo?: string | undefined;
  /** The family of the server's address to use, where its name has addresses of both. */
  readonly family?: 4 | 6 | undefined;
}

/** An answer by HTTP, whatever its status is. */
export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * Asks by HTTP. Emits the answer and completes; redirections are not followed, since nobody here has a reason to send us
 * elsewhere. Unsubscribing gives the request up. It has no time limit of its own: the caller sets one.
 *
 * @throws HttpError when there is no answer, or too long a one.
 *
 * @example
 * fetch$({ url: new URL('http://192.0.2.1:8080/address'), maxBytes: 1024 }).subscribe(({ text }) => console.log(text));
 */
export function fetch$({
  url,
  method,
  headers,
  body,
  maxBytes,
  localAddress,
  connectTo,
  family,
}: HttpRequest): Observable<HttpAnswer> {
  return from(loadNodeFetch()).pipe(
    switchMap(
      (fetch) =>
        new Observable<HttpAnswer>((subscriber) => {
          const abort = new AbortController();
          const options: AgentOptions = {
            ...(localAddress !== undefined && { localAddress }),
            ...(family && { family }),
            // Not by way of a lookup, which an address in the place of a name does without.
            ...(connectTo !== undefined && { host: connectTo }),
          };
          const agent = url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
          const answered = fetch(url, {
            method: method ?? 'GET',
            ...(headers && { headers: { ...headers } }),
            ...(body !== undefined && { body }),
            size: maxBytes,
            redirect: 'error',
            signal: abort.signal,
            agent,
          });
          answered
            .then(async (response) => ({ status: response.status, text: await response.text() }))
            .then(
              (answer) => {
                subscriber.next(answer);
                subscriber.complete();
              },
              (cause: unknown) => {
                subscriber.error(new HttpError(`${url.origin} gave no answer: ${reasonOf(cause)}`, { cause }));
              },
            );
          return () => {
            abort.abort();
          };
        }),
    ),
  );
}
