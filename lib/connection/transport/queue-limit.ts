/** How many bytes wait in a link at least, when there are as many: enough to keep it busy … */
export const LEAST_QUEUE_BYTES = 131_072;

/** … and at most: with more in one write, a fast link does not get faster. */
export const MOST_QUEUE_BYTES = 262_144;

/** A fast link has sent what it was handed at once within this, in milliseconds … */
const FAST_MS = 5;

/** … and one that takes longer than this is too slow for the limit, or is not kept busy. */
const SLOW_MS = 20;

/**
 * How many bytes may wait in a link: as many as it sends in some milliseconds. Many bytes at once go in few TLS records and system calls. But what
 * waits in a link goes before all that comes later, however urgent, and is sent again on another link (as Linux has it for network cards: Dynamic
 * Queue Limits, Herbert 2011). Pure.
 *
 * @example
 * const limit = new QueueLimit(0);
 * limit.bytes; // 131_072
 * limit.written(65_536, 2);
 * limit.bytes; // 262_144
 */
export class QueueLimit {
  #bytes = LEAST_QUEUE_BYTES;
  #writtenAt: number;

  /** @param now the time in milliseconds, when the link is full for the first time. */
  constructor(now: number) {
    this.#writtenAt = now;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** So many bytes, which the link was handed at once, have gone to the system. Few of them do not tell how fast it is. */
  written(bytes: number, now: number): void {
    if (bytes < this.#bytes / 4) return;
    const ms = now - this.#writtenAt;
    this.#writtenAt = now;
    if (ms < FAST_MS) this.#bytes = Math.min(MOST_QUEUE_BYTES, 2 * this.#bytes);
    else if (ms > SLOW_MS) this.#bytes = LEAST_QUEUE_BYTES;
  }
}
