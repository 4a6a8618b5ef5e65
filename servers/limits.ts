/** A bucket that fills with time and is emptied by use. */
export interface TokenBucketConfig {
  /** Tokens a second. */
  readonly perSecond: number;
  /** Tokens it holds at most, and at first. */
  readonly burst: number;
  /** The time, in milliseconds. */
  readonly now: () => number;
}

/**
 * Makes a rate limit: returns a function that takes a token and tells whether there was one.
 *
 * @example
 * const mayGoOn = tokenBucket({ perSecond: 50, burst: 200, now: Date.now });
 * if (!mayGoOn()) refuse();
 */
export function tokenBucket({ perSecond, burst, now }: TokenBucketConfig): () => boolean {
  let tokens = burst;
  let last = now();
  return () => {
    // The clock may be set back.
    tokens = Math.min(burst, tokens + (Math.max(0, now() - last) / 1000) * perSecond);
    last = now();
    if (tokens < 1) return false;
    tokens--;
    return true;
  };
}
