import { ownBytes } from './own-bytes.js';
import { Queue } from './queue.js';

/** Pieces below this length are joined, in bytes … */
const SHORT_BYTES = 1_024;

/** … to blocks of this length. */
const BLOCK_BYTES = 8_192;

/**
 * Bytes that wait, in the order in which they came. However small the pieces are in which they come, they take little more memory than
 * their number: what is short is copied to blocks of 8 KiB, and what is a small part of a larger buffer is copied out of it.
 *
 * @example
 * const waiting = new ByteQueue();
 * socket.on('data', (chunk) => waiting.push(chunk));
 * for (let bytes = waiting.take(); bytes !== undefined; bytes = waiting.take()) handle(bytes);
 */
export class ByteQueue {
  readonly #pieces = new Queue<Buffer>();
  /** The memory that short pieces are being joined in, and how much of it is used and not among the pieces yet. */
  #block: Buffer | undefined;
  #from = 0;
  #to = 0;
  #length = 0;

  /** How many bytes wait. */
  get length(): number {
    return this.#length;
  }

  push(bytes: Buffer): void {
    this.#length += bytes.length;
    if (bytes.length >= SHORT_BYTES) {
      this.#seal();
      this.#pieces.push(ownBytes(bytes));
      return;
    }
    if (this.#block === undefined || this.#to + bytes.length > BLOCK_BYTES) {
      this.#seal();
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#from = this.#to = 0;
    }
    this.#to += bytes.copy(this.#block, this.#to);
  }

  /** Takes a piece of those that have waited longest; `undefined` when none waits. */
  take(): Buffer | undefined {
    if (this.#pieces.length === 0) this.#seal();
    const piece = this.#pieces.take();
    if (piece !== undefined) this.#length -= piece.length;
    if (this.#length === 0) this.#block = undefined;
    return piece;
  }

  /** Forgets all that waits. */
  clear(): void {
    this.#pieces.takeAll();
    this.#block = undefined;
    this.#from = this.#to = this.#length = 0;
  }

  /** What was joined so far becomes a piece; the rest of its block is for the next. */
  #seal(): void {
    if (this.#block === undefined || this.#from === this.#to) return;
    this.#pieces.push(this.#block.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }
}
