import { ownBytes } from '../../bounds/own-bytes.js';

/** Whoever made the bytes. */
interface BytesOwner {
  /** Bytes that were added are not kept any more, or a copy is; or such a copy is not. */
  release(bytes: Buffer): void;
}

/**
 * The bytes of a stream that are still to be written, and those that were written but that the peer has not acknowledged. An offset
 * counts from the beginning of the stream.
 */
export class SendBuffer {
  readonly #owner: BytesOwner | undefined;
  #pieces: Buffer[] = [];
  /** The block that the last piece is part of, while short pieces are being joined. */
  #block: Buffer | undefined;
  /** The index of the first piece that is kept. Pieces before it are removed many at a time, since each removal moves all others. */
  #first = 0;
  /** The index of the piece with the next byte to write, and the place in that piece. */
  #next = 0;
  #within = 0;
  #base = 0;
  /** How many bytes of the first piece the peer has acknowledged. */
  #had = 0;
  #position = 0;
  #written = 0;
  #end = 0;

  /** @param owner learns of the bytes that are not kept any more. */
  constructor(owner?: BytesOwner) {
    this.#owner = owner;
  }

  /** The offset of the first byte that is kept: the peer has acknowledged everything before it. */
  get base(): number {
    return this.#base;
  }

  /** The offset of the next byte to write. */
  get position(): number {
    return this.#position;
  }

  /** The offset after the last byte ever written: greater than `position` while bytes are being written again. */
  get written(): number {
    return this.#written;
  }

  /** The offset after the last byte. */
  get end(): number {
    return this.#end;
  }

  /** Adds bytes at the end. Nobody may change them while they are kept. */
  push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#end += bytes.length;
    if (bytes.length >= LONG_BYTES) this.#pieces.push(bytes);
    else if (bytes.length >= SHORT_BYTES) this.#pushOwn(bytes);
    else this.#join(bytes);
  }

  /** Keeps no more than these bytes. */
  #pushOwn(bytes: Buffer): void {
    const own = ownBytes(bytes);
    this.#pieces.push(own);
    if (own !== bytes) this.#owner?.release(bytes);
  }

  /** Joins short pieces, so that there are few: each takes memory besides its bytes, and time in every loop over them. */
  #join(bytes: Buffer): void {
    const piece = this.#pieces.at(-1);
    if (piece === undefined) {
      // Most often it is acknowledged before the next one comes.
      this.#pushOwn(bytes);
      return;
    }
    this.#addTo(piece, bytes);
    this.#owner?.release(bytes);
  }

  /** Adds short bytes to the last piece, or, where that has no room, after it. */
  #addTo(piece: Buffer, bytes: Buffer): void {
    const last = this.#pieces.length - 1;
    const block = this.#block;
    if (block?.buffer !== piece.buffer || piece.length + bytes.length > BLOCK_BYTES) {
      const next = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      bytes.copy(next);
      this.#block = next;
      this.#pieces.push(next.subarray(0, bytes.length));
      return;
    }
    // What the piece held until now may have been written already.
    if (this.#next > last) {
      this.#next = last;
      this.#within = piece.length;
    }
    bytes.copy(block, piece.length);
    this.#pieces[last] = block.subarray(0, piece.length + bytes.length);
  }

  /** Takes the next bytes to write, at most so many; `undefined` when there are none. */
  take(most: number): Buffer | undefined {
    const piece = this.#pieces[this.#next];
    if (piece === undefined) return undefined;
    const bytes = piece.subarray(this.#within, this.#within + most);
    this.#within += bytes.length;
    this.#position += bytes.length;
    this.#written = Math.max(this.#written, this.#position);
    if (this.#within === piece.length) {
      this.#next++;
      this.#within = 0;
    }
    return bytes;
  }

  /** The peer has everything before an offset, which lies between `base` and `position`. */
  acknowledge(offset: number): void {
    this.#had += offset - this.#base;
    this.#base = offset;
    if (offset === this.#end) {
      this.#forgetAll();
      return;
    }
    let piece = this.#pieces[this.#first];
    while (piece !== undefined && this.#had >= piece.length && this.#first < this.#next) {
      this.#had -= piece.length;
      this.#owner?.release(piece);
      this.#first++;
      piece = this.#pieces[this.#first];
    }
    if (this.#first * 2 < this.#pieces.length) return;
    this.#pieces = this.#pieces.slice(this.#first);
    this.#next -= this.#first;
    this.#first = 0;
  }

  /** The peer has everything: a connection that idles keeps no memory for what it has sent. */
  #forgetAll(): void {
    for (let i = this.#first; i < this.#pieces.length; i++) {
      const piece = this.#pieces[i];
      if (piece !== undefined) this.#owner?.release(piece);
    }
    this.#pieces = [];
    this.#block = undefined;
    this.#first = this.#next = this.#within = this.#had = 0;
  }

  /** Writes again from an offset, which lies between `base` and `end`. */
  rewind(offset: number): void {
    this.#next = this.#first;
    this.#within = this.#had;
    this.#position = this.#base;
    for (let left = offset - this.#base; left > 0;) left -= this.take(left)?.length ?? left;
  }
}

/**
 * Pieces from this length on are kept as they are, in bytes. They may be views of a larger buffer, but not of one that is much larger: what a
 * writer hands over as one goes out as one, so that all its views are here at once.
 */
const LONG_BYTES = 16_384;

/** Pieces below this length are joined, in bytes … */
const SHORT_BYTES = 1_024;

/** … into blocks of this length. */
const BLOCK_BYTES = 8_192;
