import { once } from 'node:events';
import { WebSocket, type ClientOptions } from 'ws';
import { WEB_SOCKET_PROTOCOL } from '../../lib/rendezvous/messages.js';

/** A client that speaks lines by WebSocket, and can wait for those that come. */
export class WebSocketClient {
  readonly #lines: string[] = [];
  readonly #waiting: ((line: string) => void)[] = [];
  /** The code with which the other side has closed. */
  readonly closed: Promise<number>;

  constructor(readonly webSocket: WebSocket) {
    webSocket.on('error', () => undefined);
    this.closed = new Promise((resolve) => webSocket.once('close', resolve));
    webSocket.on('message', (data) => {
      const line = Buffer.isBuffer(data) ? data.toString('utf8') : '';
      const waiter = this.#waiting.shift();
      if (waiter === undefined) this.#lines.push(line);
      else waiter(line);
    });
  }

  /** Opens one at a URL. */
  static async to(url: string, options: ClientOptions = {}): Promise<WebSocketClient> {
    const webSocket = new WebSocket(url, [WEB_SOCKET_PROTOCOL], options);
    const client = new WebSocketClient(webSocket);
    await once(webSocket, 'open');
    return client;
  }

  say(...lines: readonly string[]): void {
    for (const line of lines) this.webSocket.send(line);
  }

  heard(): Promise<string> {
    const line = this.#lines.shift();
    return line !== undefined ? Promise.resolve(line) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  ask(line: string): Promise<string> {
    this.say(line);
    return this.heard();
  }
}
