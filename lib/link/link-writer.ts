import type { Duplex } from 'node:stream';
import { Queue } from '../bounds/queue.js';

/** How many bytes the stream is handed at once, unless {@link LinkWriter.setBatch} says otherwise: four full TLS records. */
const BATCH_BYTES = 65_536;

const NOTHING = Buffer.alloc(0);

/** Learns how far a stream is. */
export interface WriterHost {
  /** So many bytes, which the stream was handed at once, have gone to the system. */
  onWritten(bytes: number): void;
}

/**
 * The writing half of a link. The stream is handed a little at a time, since it tells of progress only when everything that it was handed has
 * gone. What can go together goes together: each write to the stream is a system call, and a TLS record or several.
 */
export class LinkWriter {
  readonly #stream: Duplex;
  readonly #host: WriterHost;
  readonly #queue = new Queue<Uint8Array>();
  /** What is left of a piece of which the stream has taken the beginning. */
  #rest: Uint8Array | undefined;
  #queued = 0;
  #batchBytes = BATCH_BYTES;
  /** How many hold back what is written. */
  #corks = 0;
  #isEnding = false;

  constructor(stream: Duplex, host: WriterHost) {
    this.#stream = stream;
    this.#host = host;
  }

  /** How many written bytes have not gone to the system yet. */
  get buffered(): number {
    return this.#queued + this.#stream.writableLength;
  }

  /** Writes pieces, one after the other. */
  write(pieces: readonly Uint8Array[]): void {
    if (this.#isEnding || this.#stream.destroyed) return;
    for (const piece of pieces) {
      this.#queue.push(piece);
      this.#queued += piece.length;
    }
    if (this.#corks === 0) this.#pump();
  }

  /** Holds back what an action writes until it is done, so that it goes together: in one system call, and in full TLS records. */
  corked(action: () => void): void {
    this.#corks++;
    try {
      action();
    } finally {
      this.#uncork();
    }
  }

  /** Holds back what is written until the immediates of the event loop run next (`setImmediate`): at the end of this turn, or of the next. */
  corkTurn(): void {
    this.#corks++;
    setImmediate(() => {
      this.#uncork();
    });
  }

  /** Sets how many bytes the stream is handed at once. */
  setBatch(bytes: number): void {
    this.#batchBytes = bytes;
  }

  /** Ends the stream after everything that was written, which is not held back any more: the process may end in this turn. */
  end(): void {
    this.#isEnding = true;
    this.#pump();
  }

  #uncork(): void {
    this.#corks--;
    if (this.#corks === 0) this.#pump();
  }

  #pump(): void {
    const stream = this.#stream;
    if (stream.destroyed) {
      this.#queue.takeAll();
      this.#rest = undefined;
      this.#queued = 0;
      return;
    }
    stream.cork();
    const most = this.#batchBytes - stream.writableLength;
    for (let room = most; room > 0 && this.#queued > 0;) {
      const bytes = this.#take(room);
      this.#queued -= bytes.length;
      room -= bytes.length;
      // All that is handed over here goes in one system call, so that its last piece tells of the others, too.
      const isLast = room === 0 || this.#queued === 0;
      stream.write(bytes, isLast ? this.#whenWritten(most - room) : undefined);
    }
    stream.uncork();
    if (this.#isEnding && this.#queued === 0 && !stream.writableEnded) stream.end();
  }

  /** Takes the next piece that waits, or as much of it as there is room for: a little more would be a TLS record of its own. */
  #take(most: number): Uint8Array {
    const piece = this.#rest ?? this.#queue.take() ?? NOTHING;
    this.#rest = piece.length > most ? piece.subarray(most) : undefined;
    return piece.length > most ? piece.subarray(0, most) : piece;
  }

  #whenWritten(bytes: number): (error?: Error | null) => void {
    return (error) => {
      // It has not gone to the system: the stream broke, and says so itself.
      if (error) return;
      this.corked(() => {
        this.#host.onWritten(bytes);
      });
    };
  }
}
