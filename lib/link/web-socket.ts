import type { Socket } from 'node:net';
import { from, Observable } from 'rxjs';
import type { ClientOptions, WebSocket } from 'ws';
import { DialError } from '../errors.js';
import { loadWs } from '../packages.js';

/** What may come by a WebSocket, so that little is read ahead. Nothing is compressed: a small frame would become a huge one. */
interface WebSocketConfig {
  readonly url: string | URL;
  /** The sub-protocol, which the server has to agree to. */
  readonly protocol: string;
  /** The longest message, in bytes. */
  readonly maxPayload: number;
}

const BOUNDS: ClientOptions = { perMessageDeflate: false, maxFragments: 64, maxBufferedChunks: 1_024 };

/**
 * Opens a WebSocket (RFC 6455) on a connection. Emits it, paused, and completes. On any failure, and when unsubscribed from before, it closes
 * the connection. It has no time limit of its own: the caller sets one.
 *
 * @param stream the connection, secured where the URL says so.
 * @throws DialError when the server agrees to no WebSocket; UnavailableError when the package ws is not installed.
 *
 * @example
 * webSocket$(socket, { url: 'ws://192.0.2.1/rendezvous', protocol: 'mqtt', maxPayload: 65_536 }).subscribe((webSocket) => use(webSocket));
 */
export function webSocket$(stream: Socket, { url, protocol, maxPayload }: WebSocketConfig): Observable<WebSocket> {
  return new Observable((subscriber) => {
    const fail = (why: string, cause?: Error) => {
      subscriber.error(new DialError(why, { cause }));
    };
    let opening: WebSocket | undefined;
    let handedOver = false;
    const open = ({ WebSocket }: Awaited<ReturnType<typeof loadWs>>) => {
      const webSocket = new WebSocket(url, [protocol], { ...BOUNDS, maxPayload, createConnection: () => stream });
      opening = webSocket;
      // The listener for errors stays: an `error` event while nobody listens must not end the process.
      webSocket.on('error', (cause) => {
        fail(cause.message, cause);
      });
      webSocket.on('close', () => {
        fail('it closed the connection');
      });
      webSocket.on('open', () => {
        handedOver = true;
        webSocket.pause();
        subscriber.next(webSocket);
        subscriber.complete();
      });
    };
    subscriber.add(
      from(loadWs()).subscribe({
        next: open,
        error: (error: unknown) => {
          subscriber.error(error);
        },
      }),
    );
    return () => {
      if (handedOver) return;
      if (opening === undefined) stream.destroy();
      else opening.terminate();
    };
  });
}
