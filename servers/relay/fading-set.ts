import { createHash, randomBytes } from 'node:crypto';

/** What a {@link FadingSet} needs. */
interface FadingSetConfig {
  /** For how long a text is remembered at least, in milliseconds; at most for twice as long. */
  readonly forMs: number;
  /** The time, in milliseconds. */
  readonly now: () => number;
}

/** 1 MiB. With 500,000 texts one in 500 lookups is a false positive; with ten times as many, two in three. */
const BITS = 8 * 1024 * 1024;

/** Bits of one text: each takes four bytes of a digest. */
const BITS_OF_ONE = 4;

/**
 * Remembers any number of texts for a time, in a fixed size: two Bloom filters, one for each half of the time. It never misses a
 * text that was added. It has false positives, more with more texts.
 *
 * @example
 * const spent = new FadingSet({ forMs: 240_000, now: Date.now });
 * spent.add('a token');
 * spent.has('a token'); // true
 */
export class FadingSet {
  /** The salt keeps anybody from choosing texts by their bits. */
  readonly #salt = randomBytes(16);
  #newer: Uint8Array | undefined;
  #older: Uint8Array | undefined;
  #since = Number.NEGATIVE_INFINITY;

  constructor(readonly config: FadingSetConfig) {}

  add(text: string): void {
    this.#fade();
    const bits = (this.#newer ??= new Uint8Array(BITS / 8));
    for (const at of this.#places(text)) bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7));
  }

  has(text: string): boolean {
    this.#fade();
    if (this.#newer === undefined && this.#older === undefined) return false;
    const places = this.#places(text);
    return [this.#newer, this.#older].some(
      (bits) => bits !== undefined && places.every((at) => ((bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0),
    );
  }

  #fade(): void {
    const { forMs, now } = this.config;
    const age = now() - this.#since;
    // The clock may be set back.
    if (age >= 0 && age < forMs) return;
    this.#older = age < 2 * forMs ? this.#newer : undefined;
    this.#newer = undefined;
    this.#since = now();
  }

  #places(text: string): number[] {
    const digest = createHash('sha256').update(this.#salt).update(text).digest();
    return Array.from({ length: BITS_OF_ONE }, (_, index) => digest.readUInt32BE(4 * index) % BITS);
  }
}
