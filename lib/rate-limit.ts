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

/** Many buckets, by the hosts that empty them. */
export interface HostBucketsConfig extends TokenBucketConfig {
  /** Hosts that are remembered; of more, the one that has been known for longest is forgotten. */
  readonly maxHosts: number;
}

/**
 * Makes a rate limit for each host: returns a function that takes a token from a host's bucket and tells whether there was
 * one.
 *
 * @example
 * const mayAsk = hostBuckets({ perSecond: 1, burst: 10, maxHosts: 10_000, now: Date.now });
 * if (!mayAsk(hostKey(address))) refuse();
 */
export function hostBuckets({ maxHosts, ...bucket }: HostBucketsConfig): (host: string) => boolean {
  const buckets = new Map<string, () => boolean>();
  return (host) => {
    const take = buckets.get(host) ?? tokenBucket(bucket);
    buckets.set(host, take);
    const [oldest] = buckets.keys();
    if (buckets.size > maxHosts && oldest !== undefined) buckets.delete(oldest);
    return take();
  };
}
