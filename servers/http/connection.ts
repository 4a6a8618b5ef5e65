import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A connection of an HTTP server, which has one request at a time. */
export class Connection {
  #answering: ServerResponse | undefined;
  #isClosing = false;

  /**
   * @param look is called when an answer was written.
   */
  constructor(
    readonly socket: Socket,
    readonly look: () => void,
  ) {}

  /**
   * Whether a request may be answered: only when the previous response has been handed to the system. If not, nothing more is
   * read, and the connection is closed behind that response.
   */
  isFree(response: ServerResponse): boolean {
    const before = this.#answering;
    if (before !== undefined) {
      this.#closeBehind(before);
      return false;
    }
    this.#answering = response;
    response.once('prefinish', this.look);
    response.once('finish', () => {
      this.#answering = undefined;
    });
    return true;
  }

  #closeBehind(response: ServerResponse): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.socket.pause();
    if (!response.headersSent) response.setHeader('connection', 'close');
    response.once('finish', () => {
      this.socket.destroySoon();
    });
  }
}
