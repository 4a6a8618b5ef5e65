import type { SchedulerLike, Subscription } from 'rxjs';

/**
 * How long blocks are, in bytes, the shortest first: the second holds a batch of lines, the third the longest chunk that Node's streams read. Each
 * piece has one of its own, of which it takes half or more, so that what waits for one channel keeps no memory of others.
 */
const SIZES = [16_896, 33_792, 67_584] as const;

/** What is shorter, in bytes, gets memory of its own: it is copied once more before it is kept for the peer. */
const SHORT_BYTES = 16_384;

/** Blocks that were free for this long, in milliseconds, are given back to the system. */
const FREE_MS = 1_000;

/** One character of UTF-8 has four bytes at most. */
const CHARACTER_BYTES = 4;

interface Block {
  readonly bytes: Buffer;
  /** Where it is kept while it is free. */
  readonly shelf: Shelf;
  /** How many of its bytes the peer has not got yet. */
  left: number;
}

/** The free blocks of one size. */
interface Shelf {
  readonly size: number;
  free: Block[];
  /** How many were free at least since the last look. */
  least: number;
}

/**
 * Memory for bytes of one connection that are on their way to the peer, used again once the peer has them. With fresh memory at a hundred megabytes a
 * second, which has to be kept until the peer has acknowledged it, V8 looks for garbage all the time: that costs more than to copy.
 *
 * Each connection has its own: a peer that acknowledges what it has not got could else be sent what others are told. What is not needed for a second
 * is given back.
 *
 * @example
 * const blocks = new Blocks(asyncScheduler);
 * const bytes = blocks.copyOf(Buffer.alloc(65_536));
 * // When the peer has it:
 * blocks.release(bytes);
 */
export class Blocks {
  readonly #scheduler: SchedulerLike;
  #shelves: readonly Shelf[] | undefined;
  /** All, by their memory. Weak, since what is dropped before it was sent may never be released. */
  #blocks: WeakMap<ArrayBufferLike, Block> | undefined;
  #timer: Subscription | undefined;

  constructor(scheduler: SchedulerLike) {
    this.#scheduler = scheduler;
  }

  /** A text in UTF-8. */
  encode(text: string): Buffer {
    // Most often it is a line or a few: nothing is measured for them.
    if (text.length < SHORT_BYTES) return Buffer.from(text);
    const least = text.length + CHARACTER_BYTES;
    return (
      this.#written(text, least) ?? this.#written(text, Buffer.byteLength(text) + CHARACTER_BYTES) ?? Buffer.from(text)
    );
  }

  /** Writes a text to a block of so many bytes or more. `undefined` where there is none, or that is too little, since not all is ASCII. */
  #written(text: string, bytes: number): Buffer | undefined {
    const block = this.#take(bytes);
    if (block === undefined) return undefined;
    const length = block.bytes.write(text);
    // What is cut is cut between two characters.
    if (length <= block.bytes.length - CHARACTER_BYTES) return lentFrom(block, length);
    this.#shelve(block);
    return undefined;
  }

  /** A copy of bytes. */
  copyOf(bytes: Uint8Array): Buffer {
    const block = this.#take(bytes.length);
    if (block === undefined) return Buffer.from(bytes);
    block.bytes.set(bytes);
    return lentFrom(block, bytes.length);
  }

  /** Memory of at least so many bytes, of which it is not known yet how many will be on their way: see {@link lend}. */
  allocate(bytes: number): Buffer {
    return this.#take(bytes)?.bytes ?? Buffer.allocUnsafeSlow(bytes);
  }

  /** Bytes at the beginning of what {@link allocate} has made are on their way from now on. */
  lend(bytes: Buffer): Buffer {
    const block = this.#blocks?.get(bytes.buffer);
    return block === undefined ? bytes : lentFrom(block, bytes.length);
  }

  /** The peer has these bytes, or a copy is sent in their place. Bytes that are of no block are no concern here. */
  release(bytes: Buffer): void {
    const block = this.#blocks?.get(bytes.buffer);
    if (block === undefined) return;
    block.left -= bytes.length;
    if (block.left === 0) this.#shelve(block);
  }

  /** The connection has ended: gives back what is not in use. */
  close(): void {
    this.#timer?.unsubscribe();
    this.#timer = this.#shelves = this.#blocks = undefined;
  }

  /** The shortest that has so many bytes. `undefined` where they are few, or more than any has. */
  #take(bytes: number): Block | undefined {
    if (bytes < SHORT_BYTES) return undefined;
    this.#shelves ??= SIZES.map((size) => ({ size, free: [], least: 0 }));
    const shelf = this.#shelves.find(({ size }) => size >= bytes);
    if (shelf === undefined) return undefined;
    const block = shelf.free.pop() ?? this.#newBlock(shelf);
    shelf.least = Math.min(shelf.least, shelf.free.length);
    return block;
  }

  #newBlock(shelf: Shelf): Block {
    const block = { bytes: Buffer.allocUnsafeSlow(shelf.size), shelf, left: 0 };
    (this.#blocks ??= new WeakMap()).set(block.bytes.buffer, block);
    return block;
  }

  #shelve(block: Block): void {
    block.shelf.free.push(block);
    this.#watch();
  }

  /** While blocks are free, gives those back that nobody has needed since the last look. */
  #watch(): void {
    this.#timer ??= this.#scheduler.schedule(() => {
      this.#timer = undefined;
      for (const shelf of this.#shelves ?? []) {
        shelf.free = shelf.free.slice(shelf.least);
        shelf.least = shelf.free.length;
      }
      if (this.#shelves?.some(({ least }) => least > 0) === true) this.#watch();
    }, FREE_MS);
  }
}

function lentFrom(block: Block, length: number): Buffer {
  block.left = length;
  return block.bytes.subarray(0, length);
}
