import { READ_BYTES } from './reused-buffer.js';

/** So many are kept for later: 1 MiB. */
const MOST_FREE = 16;

/** Whose bytes are in a block. */
export interface Borrower {
  /** They have gone to the system. */
  written(): void;
}

/** Memory for what is on its way to nodes, which is used again. As a rule the system takes bytes at once, and one block is enough. */
export class Blocks {
  readonly #free: Block[] = [];

  /** Copies so many bytes of a buffer into a block, which is free again when `onWritten` is called. */
  copyOf(buffer: Buffer, length: number, borrower: Borrower): Block {
    const block = this.#free.pop() ?? new Block(this);
    block.fill(buffer, length, borrower);
    return block;
  }

  /** @internal */
  free(block: Block): void {
    if (this.#free.length < MOST_FREE) this.#free.push(block);
  }
}

/** One buffer. */
class Block {
  /** What is in it. */
  bytes: Buffer;
  readonly #whole = Buffer.allocUnsafeSlow(READ_BYTES);
  #borrower: Borrower | undefined;

  /** To be called when its bytes have been written, or will not be. */
  readonly onWritten: () => void;

  constructor(blocks: Blocks) {
    this.bytes = this.#whole;
    this.onWritten = () => {
      const borrower = this.#borrower;
      this.#borrower = undefined;
      blocks.free(this);
      borrower?.written();
    };
  }

  /** @internal */
  fill(buffer: Buffer, length: number, borrower: Borrower): void {
    buffer.copy(this.#whole, 0, 0, length);
    this.bytes = length === READ_BYTES ? this.#whole : this.#whole.subarray(0, length);
    this.#borrower = borrower;
  }
}
