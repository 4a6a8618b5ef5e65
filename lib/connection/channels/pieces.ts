import { Queue } from '../../bounds/queue.js';
import { CHANNEL_FRAME, encodeChannelFrame, encodeChannelHeader } from './frames.js';

/** Pieces of at least this length, in bytes, are sent without copying them; shorter ones are joined into one frame. */
const LONG_BYTES = 8_192;

/** Whoever made the pieces. */
export interface PiecesOwner {
  /** Bytes of a piece are not needed any more: a copy is sent in their place, or they are not sent at all. */
  release(bytes: Buffer): void;
}

/** The bytes of a channel that wait to be sent, in the pieces in which they were written, and the frames that are made of them. */
export class Pieces {
  readonly #owner: PiecesOwner;
  readonly #queue = new Queue<Buffer>();
  /** How much of the first piece has been sent. */
  #within = 0;
  #length = 0;

  constructor(owner: PiecesOwner) {
    this.#owner = owner;
  }

  /** How many bytes wait. */
  get length(): number {
    return this.#length;
  }

  /** Adds a piece. Nobody may change it until the peer has it. */
  push(piece: Buffer): void {
    this.#queue.push(piece);
    this.#length += piece.length;
  }

  /** Drops all that wait. */
  clear(): void {
    for (const piece of this.#queue.takeAll()) {
      this.#owner.release(piece.subarray(this.#within));
      this.#within = 0;
    }
    this.#within = this.#length = 0;
  }

  /**
   * Makes one frame of data, of at most so many bytes: whole, or header and payload apart where the payload is long, to avoid a copy.
   *
   * @param channel the number of the channel.
   * @param most more than 0.
   * @returns `undefined` when nothing waits.
   */
  takeFrame(channel: number, most: number): readonly [Buffer] | readonly [Buffer, Buffer] | undefined {
    const first = this.#queue.next;
    if (first === undefined) return undefined;
    const size = first.length - this.#within;
    if (size >= LONG_BYTES) return this.#takeLong(channel, first, Math.min(size, most));
    return size === this.#length && size <= most ? this.#takeOnly(channel, first) : this.#join(channel, most);
  }

  #takeLong(channel: number, piece: Buffer, length: number): readonly [Buffer, Buffer] {
    const bytes = piece.subarray(this.#within, this.#within + length);
    this.#advance(piece, length);
    return [encodeChannelHeader(CHANNEL_FRAME.data, channel, length), bytes];
  }

  /** All that waits is one short piece, as a call or its answer is. */
  #takeOnly(channel: number, piece: Buffer): readonly [Buffer] {
    const bytes = piece.subarray(this.#within);
    this.#advance(piece, bytes.length);
    const frame = encodeChannelFrame(CHANNEL_FRAME.data, channel, bytes);
    this.#owner.release(bytes);
    return [frame];
  }

  /** Joins the short pieces at the head of the queue into one frame. */
  #join(channel: number, most: number): readonly [Buffer] {
    const pieces: Buffer[] = [];
    let length = 0;
    while (length < most) {
      const piece = this.#queue.next;
      if (piece === undefined || (length > 0 && piece.length >= LONG_BYTES)) break;
      const bytes = piece.subarray(this.#within, this.#within + most - length);
      pieces.push(bytes);
      length += bytes.length;
      this.#advance(piece, bytes.length);
    }
    const header = encodeChannelHeader(CHANNEL_FRAME.data, channel, length);
    const frame = Buffer.concat([header, ...pieces], header.length + length);
    for (const piece of pieces) this.#owner.release(piece);
    return [frame];
  }

  #advance(piece: Buffer, length: number): void {
    this.#length -= length;
    this.#within += length;
    if (this.#within < piece.length) return;
    this.#queue.take();
    this.#within = 0;
  }
}
