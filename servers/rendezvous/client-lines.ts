import type { Socket } from 'node:net';
import type { SchedulerLike } from 'rxjs';
import { ownBytes } from '../../lib/bounds/own-bytes.js';
import { Queue } from '../../lib/bounds/queue.js';
import { expectLine, lineDecoder } from '../../lib/link/lines.js';
import { REPLY_MAX_BYTES, REQUEST_MAX_BYTES } from '../../lib/rendezvous/messages.js';

/** Lines to one client: all that a session needs of a connection, so that something else than a TCP socket can carry them. */
export interface ClientLines {
  /**
   * Says a line. Lines said in one go travel together. Says nothing once the lines are over.
   *
   * @throws InvalidTextError when it is not one line, or is too long.
   */
  say(line: string): void;
  /** Hangs up behind what was said, and reads no more. A client that does not hang up, too, is dropped after a second. */
  close(): void;
  /** Drops the client, with all that is still on its way. */
  drop(): void;
}

/** Takes what comes from one client. */
interface ClientHandler {
  /** A line has come. The next one is read when the promise, if there is one, has resolved. It never rejects. */
  line(text: string): Promise<void> | undefined;
  /** What came is no line: too long, or no UTF-8. Nothing more can be read. */
  fault(error: Error): void;
  /** Nothing is said or read any more. */
  over(): void;
  /** The connection is gone. */
  gone(): void;
}

/** How many bytes are read ahead while a line is being answered. */
const READ_AHEAD_BYTES = 65_536;

/** The overhead that each piece is counted with, so that tiny pieces cannot use unbounded memory. */
const PIECE_OVERHEAD = 128;

/** How much is handed to the socket at once: it reports progress only when a whole piece has been written. */
const PIECE_BYTES = 65_536;

/** Lines said in one go are written when they are this long, in UTF-16 units, or when the current run of JavaScript ends. */
const BATCH_LENGTH = 32_768;

/** A client that is refused gets this long to take in why, in milliseconds. */
const REFUSED_MS = 1_000;

/** A client that has hung up gets this long to read what was still said to it, in milliseconds. */
const HUNG_UP_MS = 30_000;

/** The lines of a client on a TCP socket, which end in CRLF. The socket is to be paused, and its errors listened to. */
export class SocketLines implements ClientLines {
  readonly #decoder = lineDecoder(REQUEST_MAX_BYTES);
  #handler: ClientHandler | undefined;
  /** What has come and was not cut into lines yet. */
  #received = new Queue<Buffer>();
  #receivedLength = 0;
  /** The lines of the piece that is being read. */
  #lines: readonly string[] = [];
  #next = 0;
  #isAnswering = false;
  #isReading = false;
  /** The client has hung up; and the last line, which no newline ended, has been read. */
  #ended: 'no' | 'yes' | 'read' = 'no';
  #isOver = false;
  /** What was said and is not handed to the socket yet. */
  #batch = '';
  readonly #queue = new Queue<Buffer>();
  #queued = 0;

  constructor(
    readonly socket: Socket,
    readonly scheduler: SchedulerLike,
  ) {}

  /** What was said and has not gone to the system yet, in bytes (in UTF-16 units while lines are gathered). */
  get waiting(): number {
    return this.#batch.length + this.#queued + this.socket.writableLength;
  }

  /** Begins to read. */
  start(handler: ClientHandler): void {
    this.#handler = handler;
    const { socket } = this;
    socket.on('data', (chunk: Buffer) => {
      if (this.#isOver) return;
      // A line that is being answered keeps it waiting.
      this.#received.push(this.#isAnswering ? ownBytes(chunk) : chunk);
      this.#receivedLength += chunk.length + PIECE_OVERHEAD;
      this.#read();
    });
    socket.on('end', () => {
      if (this.#ended === 'no') this.#ended = 'yes';
      this.#read();
    });
    socket.on('close', () => {
      this.#finish();
      handler.gone();
    });
    socket.resume();
  }

  say(line: string): void {
    expectLine(line, REPLY_MAX_BYTES);
    if (this.#isOver) return;
    if (this.#batch === '') {
      queueMicrotask(() => {
        this.#flush();
      });
    }
    this.#batch += `${line}\r\n`;
    if (this.#batch.length > BATCH_LENGTH) this.#flush();
  }

  close(): void {
    this.#hangUp(REFUSED_MS);
  }

  drop(): void {
    this.#finish();
    this.socket.destroy();
  }

  #read(): void {
    // The handler may answer, or end the lines, during the call.
    if (this.#isReading) return;
    this.#isReading = true;
    while (!this.#isAnswering && !this.#isOver) {
      const line = this.#lines[this.#next];
      if (line !== undefined) {
        this.#next++;
        this.#answer(line);
      } else if (this.#decoder.fault !== undefined) {
        this.#handler?.fault(this.#decoder.fault);
        break;
      } else if (!this.#readMore()) break;
    }
    this.#isReading = false;
    if (this.#receivedLength < READ_AHEAD_BYTES) this.socket.resume();
    else this.socket.pause();
  }

  #answer(line: string): void {
    const answered = this.#handler?.line(line);
    if (answered === undefined) return;
    this.#isAnswering = true;
    void answered.then(() => {
      this.#isAnswering = false;
      this.#read();
    });
  }

  /** Cuts more of what has come into lines. Returns false when nothing is there. */
  #readMore(): boolean {
    const bytes = this.#received.take();
    this.#next = 0;
    if (bytes !== undefined) {
      this.#receivedLength -= bytes.length + PIECE_OVERHEAD;
      this.#lines = this.#decoder.push(bytes);
      return true;
    }
    this.#lines = [];
    if (this.#ended === 'yes') {
      this.#ended = 'read';
      this.#lines = this.#decoder.end();
      return true;
    }
    if (this.#ended === 'read') this.#hangUp(HUNG_UP_MS);
    return false;
  }

  /** Ends the stream behind what was said; the client is dropped where it has not ended its own by then. */
  #hangUp(graceMs: number): void {
    if (this.#isOver) return;
    this.#flush();
    this.#finish();
    this.#pump();
    const { socket } = this;
    if (socket.closed) return;
    const late = this.scheduler.schedule(() => {
      socket.destroy();
    }, graceMs);
    socket.once('close', () => {
      late.unsubscribe();
    });
    // Discards what still comes, in order to see the client's end.
    socket.resume();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#received = new Queue();
    this.#receivedLength = 0;
    this.#lines = [];
    this.#handler?.over();
  }

  /** Hands over what has been gathered. */
  #flush(): void {
    if (this.#batch === '') return;
    const bytes = Buffer.from(this.#batch);
    this.#batch = '';
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) this.#queue.push(bytes.subarray(at, at + PIECE_BYTES));
    this.#queued += bytes.length;
    this.#pump();
  }

  #pump(): void {
    const { socket } = this;
    if (socket.destroyed) return;
    socket.cork();
    while (socket.writableLength < PIECE_BYTES) {
      const bytes = this.#queue.take();
      if (bytes === undefined) break;
      this.#queued -= bytes.length;
      socket.write(bytes, this.#onWritten);
    }
    socket.uncork();
    if (this.#isOver && this.#queue.length === 0 && !socket.writableEnded) socket.end();
  }

  readonly #onWritten = () => {
    this.#pump();
  };
}
