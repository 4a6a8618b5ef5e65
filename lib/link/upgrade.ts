import { request, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { Observable } from 'rxjs';
import { DialError, HttpError } from '../errors.js';
import { oneLine } from '../words.js';

/** An upgrade that is asked of an HTTP server. */
interface UpgradeConfig {
  /** Where it is asked for. */
  readonly url: URL;
  /** The protocol to change to. */
  readonly protocol: string;
  /** Headers of the request, beside those of the upgrade. */
  readonly headers?: OutgoingHttpHeaders | undefined;
  /** What the server is called in errors: `relay`. */
  readonly called: string;
  /** The longest answer of a server that does not agree, in characters: no more of it is read. */
  readonly maxAnswer: number;
}

/** A server that answers as usual, and does not change the protocol. */
export class NotUpgradedError extends HttpError {
  constructor(
    url: URL,
    readonly status: number,
    /** What it said. */
    readonly text: string,
  ) {
    super(`${url.origin} did not change to the protocol it was asked for: HTTP status ${status}`);
  }
}

/**
 * Has an HTTP server change to another protocol on a connection (RFC 9110 §7.8). Emits the socket, paused, from which the other protocol
 * can be read, and completes. On any failure, and when unsubscribed from before, it closes the socket. It has no time limit of its own:
 * the caller sets one.
 *
 * @param socket the connection, secured where the URL says so.
 * @throws NotUpgradedError when the server answers something else; DialError when it closes the connection; HttpError when it changes to
 * a protocol that it was not asked for.
 *
 * @example
 * upgrade$(socket, { url, protocol: 'rxp2p-relay/1', called: 'relay', maxAnswer: 1_024 }).subscribe((upgraded) => use(upgraded));
 */
export function upgrade$(
  socket: Socket,
  { url, protocol, headers, called, maxAnswer }: UpgradeConfig,
): Observable<Socket> {
  return new Observable((subscriber) => {
    const asking = request({
      createConnection: () => socket,
      path: url.pathname,
      headers: { host: url.host, connection: 'Upgrade', upgrade: protocol, ...headers },
    });
    let handedOver = false;
    asking.on('error', (cause) => {
      subscriber.error(new DialError(`The ${called} ${url.origin} closed the connection: ${cause.message}`, { cause }));
    });
    asking.once('response', (response) => {
      readAnswer(response, maxAnswer, (text) => {
        subscriber.error(new NotUpgradedError(url, response.statusCode ?? 0, text));
      });
    });
    asking.once('upgrade', (answer, upgraded, head) => {
      const to = answer.headers.upgrade?.toLowerCase() ?? '';
      if (to !== protocol) {
        subscriber.error(new HttpError(`${url.origin} is no ${called}: it upgraded to ${oneLine(to)}`));
        return;
      }
      // What came together with the answer.
      if (head.length > 0) upgraded.unshift(head);
      handedOver = true;
      subscriber.next(socket);
      subscriber.complete();
    });
    asking.end();
    return () => {
      if (handedOver) return;
      asking.destroy();
      socket.destroy();
    };
  });
}

/** Calls back with the text of an answer, cut to a limit. May call more than once; only the first call counts. */
function readAnswer(response: IncomingMessage, maxLength: number, bring: (text: string) => void): void {
  let text = '';
  const done = () => {
    bring(text);
  };
  response.setEncoding('utf8').on('error', done).on('close', done);
  response.on('data', (part: string) => {
    text += part;
    if (text.length > maxLength) done();
  });
}
