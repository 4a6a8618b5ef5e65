import { ByAge } from './by-age.js';

/** What a {@link Seen} filter needs. */
interface SeenConfig {
  /** For how long something is remembered, in milliseconds. */
  readonly forMs: number;
  /** How many keys are remembered at most; the oldest is forgotten first. */
  readonly maxEntries: number;
  /** The time, in milliseconds. */
  readonly now: () => number;
}

/**
 * Remembers what it has seen, for a time and up to a number.
 *
 * @example
 * const seen = new Seen({ forMs: 60_000, maxEntries: 10_000, now: Date.now });
 * seen.add('a'); // true
 * seen.add('a'); // false
 */
export class Seen {
  // In the order of arrival, which is the order of expiry.
  readonly #times = new ByAge<string, number>();

  constructor(readonly config: SeenConfig) {}

  /** Whether a key is remembered. */
  has(key: string): boolean {
    const time = this.#times.get(key);
    return time !== undefined && time + this.config.forMs > this.config.now();
  }

  /** Remembers a key. Returns whether it is new. */
  add(key: string): boolean {
    const { forMs, maxEntries, now } = this.config;
    for (let oldest = this.#times.oldest; oldest !== undefined; oldest = this.#times.oldest) {
      if (oldest.value + forMs > now() && (this.#times.size < maxEntries || this.#times.has(key))) break;
      this.#times.delete(oldest.key);
    }
    if (this.#times.has(key)) return false;
    this.#times.add(key, now());
    return true;
  }
}
