/**
 * The bytes of a stream that are still to be written, and those that were written and that the peer has not said to have: by
 * their offsets, counted from the beginning of the stream.
 */
export class SendBuffer {
  #pieces: Buffer[] = [];
  /** Those before it are let go of, in one go: to move all others up each time would cost more than sending them. */
  #first = 0;
  /** The piece that the next byte to be written is in, and where in it. */
  #next = 0;
  #within = 0;
  #base = 0;
  /** What of the first piece the peer has. */
  #had = 0;
  #position = 0;
  #written = 0;
  #end = 0;

  /** The offset of the first byte that is kept: the peer has all before it. */
  get base(): number {
    return this.#base;
  }

  /** The offset of the next byte to be written. */
  get position(): number {
    return this.#position;
  }

  /** The offset behind the last byte that was ever written: more than `position` while some is being written again. */
  get written(): number {
    return this.#written;
  }

  /** The offset behind the last byte. */
  get end(): number {
    return this.#end;
  }

  /** Adds bytes at the end. They must not be changed any more. */
  push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#pieces.push(bytes);
    this.#end += bytes.length;
  }

  /** The next bytes to be written, at most so many; `undefined` when there are none. */
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

  /** The peer has all before an offset, which lies between `base` and `position`. */
  acknowledge(offset: number): void {
    this.#had += offset - this.#base;
    this.#base = offset;
    let piece = this.#pieces[this.#first];
    while (piece !== undefined && this.#had >= piece.length && this.#first < this.#next) {
      this.#had -= piece.length;
      this.#first++;
      piece = this.#pieces[this.#first];
    }
    if (this.#first < COMPACT_AT && this.#first < this.#pieces.length) return;
    this.#pieces = this.#pieces.slice(this.#first);
    this.#next -= this.#first;
    this.#first = 0;
  }

  /** Begins to write anew from an offset, which lies between `base` and `end`. */
  rewind(offset: number): void {
    this.#next = this.#first;
    this.#within = this.#had;
    this.#position = this.#base;
    for (let left = offset - this.#base; left > 0;) left -= this.take(left)?.length ?? left;
  }
}

/** So many pieces are let go of at once. */
const COMPACT_AT = 256;
