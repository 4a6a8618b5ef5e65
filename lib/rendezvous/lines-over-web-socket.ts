import type { Socket } from 'node:net';
import { defer, map, noop, Subject, type Observable } from 'rxjs';
import type { WebSocket } from 'ws';
import { ClosedError, ProtocolError, SendBufferFullError } from '../errors.js';
import { expectLine } from '../link/lines.js';
import { webSocket$ } from '../link/web-socket.js';
import { REPLY_MAX_BYTES, WEB_SOCKET_PATH, WEB_SOCKET_PROTOCOL } from './messages.js';
import type { ServerLines } from './server-lines.js';

/** The connection is closed when more bytes than this wait for a server that does not read: far more than is ever sent to one. */
const SEND_MAX_BYTES = 64 * 1_048_576;

/**
 * Opens a WebSocket on a connection, to exchange lines by it. Emits them and completes. On any failure, and when unsubscribed from before,
 * it closes the connection.
 *
 * @param stream the connection, secured where the URL says so.
 * @param url the URL below which the server is, ending in a slash.
 * @throws DialError when the server agrees to no WebSocket.
 */
export function webSocketLines$(stream: Socket, url: string): Observable<ServerLines> {
  const at = new URL(WEB_SOCKET_PATH.slice(1), url);
  return webSocket$(stream, { url: at, protocol: WEB_SOCKET_PROTOCOL, maxPayload: REPLY_MAX_BYTES }).pipe(
    map((webSocket) => new LinesOverWebSocket(webSocket)),
  );
}

/** Lines over a WebSocket: each is a text message. */
class LinesOverWebSocket implements ServerLines {
  readonly line$: Observable<string>;
  readonly #lines = new Subject<string>();
  readonly #webSocket: WebSocket;
  #isReading = false;

  /** @param webSocket one that is open and paused. */
  constructor(webSocket: WebSocket) {
    this.#webSocket = webSocket;
    this.line$ = defer(() => {
      this.#read();
      return this.#lines;
    });
  }

  send(line: string): void {
    expectLine(line, REPLY_MAX_BYTES);
    this.#webSocket.send(line, noop);
    if (this.#webSocket.bufferedAmount > SEND_MAX_BYTES) this.#drop(new SendBufferFullError(SEND_MAX_BYTES));
  }

  destroy(): void {
    this.#lines.error(new ClosedError('dropped here'));
    // What was sent goes out first, as far as the system takes it.
    this.#webSocket.resume();
    this.#webSocket.close();
    this.#webSocket.terminate();
  }

  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    const webSocket = this.#webSocket;
    webSocket.on('message', (data, isBinary) => {
      const line = isBinary || !Buffer.isBuffer(data) ? undefined : data.toString('utf8');
      if (line === undefined || /[\r\n]/.test(line)) this.#drop(new ProtocolError('Expected a line in each message'));
      else this.#lines.next(line);
    });
    webSocket.on('error', ({ message }) => {
      this.#lines.error(new ClosedError(`the link broke: ${message}`));
    });
    webSocket.on('close', () => {
      this.#lines.error(new ClosedError('closed by the peer'));
    });
    webSocket.resume();
  }

  #drop(why: Error): void {
    this.#lines.error(why);
    this.#webSocket.terminate();
  }
}
