import type { SchedulerLike, Subscription } from 'rxjs';

/** A block has room for two long batches of lines, or for one of the chunks that Node's streams read. */
const BLOCK_BYTES = 67_584;

/** What is shorter, in bytes, gets memory of its own: it is copied once more before it is kept for the peer. */
const SHORT_BYTES = 16_384;

/** Blocks that nobody has needed for this long, in milliseconds, are given back to the system. */
const IDLE_MS = 1_000;

/** One character of UTF-8 has four bytes at most. */
const CHARACTER_BYTES = 4;

interface Block {
  readonly bytes: Buffer;
  /** Up to where it is taken. */
  end: number;
  /** How many of its bytes the peer has not got yet. */
  left: number;
}

/**
 * Memory for bytes of one connection that are on their way to the peer, used again once the peer has them. With fresh memory at a hundred megabytes a
 * second, which has to be kept until the peer has acknowledged it, V8 looks for garbage all the time: that costs more than to copy.
 *
 * Each connection has its own: a peer that acknowledges what it has not got could else be sent what others are told. They are as many as were on
 * their way at the same time; an idle connection has none.
 *
 * @example
 * const blocks = new Blocks(asyncScheduler);
 * const bytes = blocks.copyOf(Buffer.alloc(65_536));
 * // When the peer has it:
 * blocks.release(bytes);
 */
export class Blocks {
  readonly #scheduler: SchedulerLike;
  /** The one that has room left. */
  #current: Block | undefined;
  #free: Block[] | undefined;
  /** All, by their memory. Weak, since what is dropped before it was sent is never released. */
  #blocks: WeakMap<ArrayBufferLike, Block> | undefined;
  /** Whether one was needed since the timer was started. */
  #isBusy = false;
  #timer: Subscription | undefined;

  constructor(scheduler: SchedulerLike) {
    this.#scheduler = scheduler;
  }

  /** A text in UTF-8. */
  encode(text: string): Buffer {
    const least = text.length + CHARACTER_BYTES;
    if (text.length < SHORT_BYTES || least > BLOCK_BYTES) return Buffer.from(text);
    return (
      this.#write(text, this.#blockFor(least)) ?? this.#write(text, this.#blockFor(BLOCK_BYTES)) ?? Buffer.from(text)
    );
  }

  /** Writes a text where a block has room: as many bytes as it has characters, and more where it is not ASCII. `undefined` if that is too little. */
  #write(text: string, block: Block): Buffer | undefined {
    const length = block.bytes.write(text, block.end);
    // What is cut is cut between two characters.
    return length > BLOCK_BYTES - block.end - CHARACTER_BYTES ? undefined : this.#take(block, length);
  }

  /** A copy of bytes. */
  copyOf(bytes: Uint8Array): Buffer {
    if (bytes.length < SHORT_BYTES || bytes.length > BLOCK_BYTES) return Buffer.from(bytes);
    const block = this.#blockFor(bytes.length);
    block.bytes.set(bytes, block.end);
    return this.#take(block, bytes.length);
  }

  /** A block for at least so many bytes, of which it is not known yet how many they become: see {@link lend}. Where they are few, or very many, of its own. */
  allocate(bytes: number): Buffer {
    if (bytes < SHORT_BYTES || bytes > BLOCK_BYTES) return Buffer.allocUnsafeSlow(bytes);
    this.#isBusy = true;
    this.#watch();
    return (this.#free?.pop() ?? this.#newBlock()).bytes;
  }

  /** Bytes at the beginning of what {@link allocate} has made are on their way from now on. */
  lend(bytes: Buffer): Buffer {
    const block = this.#blocks?.get(bytes.buffer);
    if (block !== undefined) block.left = bytes.length;
    return bytes;
  }

  /** The peer has these bytes, and they are not sent again. Bytes that are of no block are no concern here. */
  release(bytes: Buffer): void {
    const block = this.#blocks?.get(bytes.buffer);
    if (block === undefined) return;
    block.left -= bytes.length;
    if (block.left > 0) return;
    block.end = 0;
    if (block === this.#current) return;
    (this.#free ??= []).push(block);
    this.#watch();
  }

  /** The connection has ended: gives back what is not in use. */
  close(): void {
    this.#timer?.unsubscribe();
    this.#timer = this.#current = this.#free = this.#blocks = undefined;
  }

  /** One with room for so many bytes more. */
  #blockFor(bytes: number): Block {
    this.#isBusy = true;
    const current = this.#current;
    if (current !== undefined && current.end + bytes <= BLOCK_BYTES) return current;
    this.#watch();
    return (this.#current = this.#free?.pop() ?? this.#newBlock());
  }

  #newBlock(): Block {
    const block = { bytes: Buffer.allocUnsafeSlow(BLOCK_BYTES), end: 0, left: 0 };
    (this.#blocks ??= new WeakMap()).set(block.bytes.buffer, block);
    return block;
  }

  #take(block: Block, length: number): Buffer {
    const taken = block.bytes.subarray(block.end, block.end + length);
    block.end += length;
    block.left += length;
    return taken;
  }

  /** Gives all back that are not in use when none was needed for a while. */
  #watch(): void {
    this.#timer ??= this.#scheduler.schedule(() => {
      this.#timer = undefined;
      if (!this.#isBusy) this.#current = this.#free = undefined;
      else this.#watch();
      this.#isBusy = false;
    }, IDLE_MS);
  }
}
