import type { Socket } from 'node:net';
import { defer, Subject, type Observable } from 'rxjs';
import { ClosedError, SendBufferFullError } from '../errors.js';
import { expectLine, lineDecoder } from './lines.js';

/** The connection is closed when more bytes than this wait for a server that does not read: far more than is ever sent to one. */
const SEND_MAX_BYTES = 64 * 1_048_576;

/**
 * Lines of text over a TCP socket, as a client exchanges them with a server. Sent lines end in CRLF; for received ones see
 * `lineDecoder`.
 *
 * @example
 * const lines = new LinesOverSocket(socket, 65_536);
 * lines.line$.subscribe({ next: console.log, error: ({ message }) => console.error(message) });
 * lines.send('PING');
 */
export class LinesOverSocket {
  /**
   * The received lines. The first subscription starts reading from the socket; lines that come while nobody is subscribed are dropped.
   * Never completes.
   *
   * @throws ClosedError when the connection ends; LineTooLongError, ProtocolError when the server's bytes are not lines;
   * SendBufferFullError when the server does not read. A subscription after that fails with the same error.
   */
  readonly line$: Observable<string>;

  readonly #socket: Socket;
  readonly #lineBytes: number;
  readonly #decoder;
  readonly #lines = new Subject<string>();
  #isReading = false;
  /** Lines sent in this run of JavaScript that have not been handed to the socket yet. */
  #batch = '';

  /**
   * @param socket a paused socket. It is closed by {@link destroy}, or when the server closes it.
   * @param lineBytes the longest line, in bytes without its end.
   */
  constructor(socket: Socket, lineBytes: number) {
    this.#socket = socket;
    this.#lineBytes = lineBytes;
    this.#decoder = lineDecoder(lineBytes);
    this.line$ = defer(() => {
      this.#read();
      return this.#lines;
    });
  }

  /**
   * Sends a line. Lines sent in one run of JavaScript travel together. Does nothing once the connection has ended.
   *
   * @throws InvalidTextError when it is not one line, or is too long.
   */
  send(line: string): void {
    expectLine(line, this.#lineBytes);
    if (this.#batch === '') {
      queueMicrotask(() => {
        this.#flush();
      });
    }
    this.#batch += `${line}\r\n`;
    if (this.#batch.length + this.#socket.writableLength > SEND_MAX_BYTES)
      this.#drop(new SendBufferFullError(SEND_MAX_BYTES));
  }

  /** Closes the socket. What was sent goes out as far as the system takes it. */
  destroy(): void {
    this.#flush();
    this.#drop(new ClosedError('dropped here'));
  }

  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    const socket = this.#socket;
    socket.on('data', (chunk: Buffer) => {
      for (const line of this.#decoder.push(chunk)) this.#lines.next(line);
      if (this.#decoder.fault !== undefined) this.#drop(this.#decoder.fault);
    });
    socket.on('end', () => {
      for (const line of this.#decoder.end()) this.#lines.next(line);
      this.#lines.error(new ClosedError('closed by the peer'));
      socket.end();
    });
    socket.on('error', ({ message }) => {
      this.#lines.error(new ClosedError(`the link broke: ${message}`));
    });
    const onClose = () => {
      this.#lines.error(new ClosedError('the peer went away without a word'));
    };
    socket.on('close', onClose);
    if (socket.destroyed) onClose();
    else socket.resume();
  }

  #flush(): void {
    if (this.#batch !== '' && this.#socket.writable) this.#socket.write(this.#batch);
    this.#batch = '';
  }

  #drop(why: Error): void {
    this.#lines.error(why);
    this.#socket.destroy();
  }
}
