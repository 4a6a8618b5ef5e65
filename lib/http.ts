import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type NodeFetch from 'node-fetch';
import type { Response } from 'node-fetch';
import { defer, Observable, of, Subscription, switchMap } from 'rxjs';
import { serverOf } from './endpoint.js';
import { HttpError, reasonOf } from './errors.js';
import { dial$ } from './link/tcp.js';
import { webTls$ } from './link/web-tls.js';
import { loadNodeFetch } from './packages.js';

/** An HTTP request. */
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
  /** Accepts responses that violate RFC 9112, as those of some gateways do. Default: no. */
  readonly isLenient?: boolean | undefined;
  /** The family of the server's address to use, where its name has addresses of both. */
  readonly family?: 4 | 6 | undefined;
  /** What opens the connection, and what secures it. Default: the real ones. */
  readonly dial$?: typeof dial$ | undefined;
  readonly webTls$?: typeof webTls$ | undefined;
}

/** An HTTP response of any status. */
export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
  /** When it was written, by the server's clock, in milliseconds since the epoch; `undefined` where the server does not say. */
  readonly date?: number | undefined;
  /** The program that it is, as it says (RFC 9110 §10.2.4); `undefined` where it does not say. */
  readonly program?: string | undefined;
}

/**
 * Sends an HTTP request. Emits the response and completes. Redirections are not followed: no server of ours needs them.
 * Unsubscribing aborts the request. It has no time limit of its own: the caller sets one.
 *
 * @throws HttpError when there is no answer, or too long a one.
 *
 * @example
 * fetch$({ url: new URL('http://192.0.2.1:8080/address'), maxBytes: 1024 }).subscribe(({ text }) => console.log(text));
 */
export function fetch$(request: HttpRequest): Observable<HttpAnswer> {
  return defer(loadNodeFetch).pipe(switchMap((fetch) => answer$(fetch, request)));
}

function answer$(
  fetch: typeof NodeFetch,
  { url, method, headers, body, maxBytes, isLenient = false, ...way }: HttpRequest,
): Observable<HttpAnswer> {
  return new Observable((subscriber) => {
    const abort = new AbortController();
    const onFailure = (cause: unknown) => {
      subscriber.error(new HttpError(`${url.origin} gave no answer: ${reasonOf(cause)}`, { cause }));
    };
    const opening = new Subscription();
    const open: Open = (use) => {
      opening.add(connection$(url, way).subscribe({ next: use, error: onFailure }));
    };
    const answered = fetch(url, {
      method: method ?? 'GET',
      ...(headers && { headers: { ...headers } }),
      ...(body !== undefined && { body }),
      size: maxBytes,
      redirect: 'error',
      signal: abort.signal,
      insecureHTTPParser: isLenient,
      agent: url.protocol === 'https:' ? new SecureAgent(open) : new PlainAgent(open),
    });
    answered
      .then(async (response) => ({ status: response.status, text: await response.text(), ...said(response) }))
      .then((answer) => {
        subscriber.next(answer);
        subscriber.complete();
      }, onFailure);
    return () => {
      opening.unsubscribe();
      abort.abort();
    };
  });
}

/** RFC 9110 §6.6.1, §10.2.4. */
function said({ headers }: Response): Pick<HttpAnswer, 'date' | 'program'> {
  const date = Date.parse(headers.get('date') ?? '');
  const program = headers.get('server') ?? undefined;
  return { ...(!Number.isNaN(date) && { date }), ...(program !== undefined && { program }) };
}

/** Opens a connection, and hands it over. */
type Open = (use: (socket: Socket) => void) => void;

type WhenOpen = (error: Error | null, socket: Duplex) => void;

/** Node's agents would dial the addresses of a name themselves, and give each but the last only 250 ms. */
class PlainAgent extends HttpAgent {
  constructor(readonly open: Open) {
    super();
  }

  override createConnection(_: unknown, whenOpen?: WhenOpen): undefined {
    this.open((socket) => whenOpen?.(null, socket));
  }
}

/** The same for `https:`. */
class SecureAgent extends HttpsAgent {
  constructor(readonly open: Open) {
    super();
  }

  override createConnection(_: unknown, whenOpen?: WhenOpen): undefined {
    this.open((socket) => whenOpen?.(null, socket));
  }
}

/** A connection to the server of a URL, by TLS where the URL says so. */
function connection$(
  url: URL,
  {
    localAddress,
    connectTo,
    family,
    dial$: open$ = dial$,
    webTls$: secure$ = webTls$,
  }: Omit<HttpRequest, 'url' | 'maxBytes'>,
): Observable<Socket> {
  const { host, port } = serverOf(url);
  const to = { host: connectTo ?? host, port, localAddress, family };
  return open$(to).pipe(switchMap((socket) => (url.protocol === 'https:' ? secure$(socket, host) : of(socket))));
}
