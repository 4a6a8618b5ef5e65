/** The overhead that each piece is counted with, as it is kept until the frame or the message is whole: what Node makes of it. */
const PIECE_OVERHEAD = 384;

/** The bits of a frame's first two bytes (RFC 6455 §5.2). */
const FIN = 0x80;
const CONTROL = 0x08;
const MASKED = 0x80;
const LENGTH = 0x7f;

/** A length of 126 is in two bytes behind it, one of 127 in eight. */
const LONG_LENGTHS: Readonly<Record<number, number>> = { 126: 2, 127: 8 };

const MASK_BYTES = 4;

/**
 * Follows the frames of a WebSocket as they come, to know how much memory takes what has begun and is not whole: the package that reads
 * them bounds it for each client, and tells nobody. Looks at nothing but the heads of frames.
 *
 * @example
 * const begun = new BegunFrames();
 * socket.on('data', (chunk) => console.log(begun.push(chunk)));
 */
export class BegunFrames {
  /** Of the head of a frame, what has come. */
  readonly #head: number[] = [];
  /** So many bytes of the frame are still to come. */
  #left = 0;
  /** A message has begun whose last frame has not come. */
  #isOpen = false;
  #held = 0;

  /** How much is held once this has come: bytes, and what pieces take besides. */
  push(chunk: Uint8Array): number {
    this.#held += chunk.length + PIECE_OVERHEAD;
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, chunk.length - at);
        this.#left -= step;
        at += step;
      } else {
        this.#head.push(chunk[at++] ?? 0);
        if (!this.#readHead()) continue;
      }
      if (this.#left === 0 && !this.#isOpen) this.#held = at < chunk.length ? chunk.length - at + PIECE_OVERHEAD : 0;
    }
    return this.#held;
  }

  /** Returns whether the head is whole. */
  #readHead(): boolean {
    const head = this.#head;
    const [first = 0, second = 0] = head;
    if (head.length < 2) return false;
    this.#left = second & LENGTH;
    const lengthBytes = LONG_LENGTHS[this.#left] ?? 0;
    const wanted = 2 + lengthBytes + ((second & MASKED) === 0 ? 0 : MASK_BYTES);
    if (head.length < wanted) {
      this.#left = 0;
      return false;
    }
    if (lengthBytes > 0) this.#left = head.slice(2, 2 + lengthBytes).reduce((sum, byte) => sum * 256 + byte, 0);
    // Control frames come between those of a message.
    if ((first & CONTROL) === 0) this.#isOpen = (first & FIN) === 0;
    head.length = 0;
    return true;
  }
}
