const NOTHING = Buffer.alloc(0);

/** Not from Node's pool, of which a few bytes would keep 8 KiB. */
const exactly = (bytes: number): Buffer => Buffer.allocUnsafeSlow(bytes);

/**
 * Bytes that come in pieces, gathered until there are enough of them to be read. However small the pieces are, the whole costs no
 * more than its bytes, in time and in memory: each byte is copied twice on average, into a block of at most twice their number.
 * Calling `Buffer.concat` for each piece would take quadratic time.
 *
 * @example
 * const gathered = new Gathered();
 * socket.on('data', (chunk) => {
 *   gathered.push(chunk);
 *   if (gathered.length >= 32) handle(gathered.take());
 * });
 */
export class Gathered {
  readonly #allocate: (bytes: number) => Buffer;
  #block: Buffer = NOTHING;
  #length = 0;

  /** @param allocate makes a block of at least so many bytes. Default: one of exactly so many. */
  constructor(allocate = exactly) {
    this.#allocate = allocate;
  }

  /** How many bytes there are. */
  get length(): number {
    return this.#length;
  }

  /** All bytes so far. The view is valid until the next piece is pushed. */
  get bytes(): Buffer {
    return this.#block.subarray(0, this.#length);
  }

  push(piece: Uint8Array): void {
    const at = this.#grow(piece.length);
    this.#block.set(piece, at);
  }

  /** Adds a piece after its length: four bytes, big-endian. */
  pushWithLength(piece: Uint8Array): void {
    const at = this.#grow(4 + piece.length);
    this.#block.writeUInt32BE(piece.length, at);
    this.#block.set(piece, at + 4);
  }

  /** Adds a number of four bytes, big-endian. */
  pushUInt32(value: number): void {
    const at = this.#grow(4);
    this.#block.writeUInt32BE(value, at);
  }

  /** Makes room for so many bytes in all, so that they need not be copied as they become more. */
  reserve(bytes: number): void {
    if (bytes > this.#block.length) this.#move(bytes);
  }

  /** Makes room for so many bytes. Returns where it is. */
  #grow(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#block.length) this.#move(Math.max(this.#length, this.#block.length * 2));
    return at;
  }

  #move(bytes: number): void {
    const block = this.#allocate(bytes);
    this.#block.copy(block);
    this.#block = block;
  }

  /** Takes all that there is. */
  take(): Buffer {
    const { bytes } = this;
    this.#block = NOTHING;
    this.#length = 0;
    return bytes;
  }
}
