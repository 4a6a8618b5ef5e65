/** A bucket that fills with time and is emptied by use. */
interface TokenBucketConfig {
  /** Tokens a second. */
  readonly perSecond: number;
  /** Tokens it holds at most, and at first. */
  readonly burst: number;
  /** The time, in milliseconds. */
  readonly now: () => number;
}

/**
 * Makes a rate limit: returns a function that takes a token and tells whether there was one. Costly work takes several tokens. It
 * may take more than are left; then the bucket needs longer to fill.
 *
 * @example
 * const mayGoOn = tokenBucket({ perSecond: 50, burst: 200, now: Date.now });
 * if (!mayGoOn()) refuse();
 */
export function tokenBucket({ perSecond, burst, now }: TokenBucketConfig): (cost?: number) => boolean {
  let tokens = burst;
  let last = now();
  return (cost = 1) => {
    // The clock may be set back.
    tokens = Math.min(burst, tokens + (Math.max(0, now() - last) / 1000) * perSecond);
    last = now();
    if (tokens < 1) return false;
    tokens -= cost;
    return true;
  };
}

/** Sites that are remembered by default: a few MiB. */
const MAX_SITES = 10_000;

/** Many buckets, by the sites that empty them. */
interface SiteBucketsConfig extends TokenBucketConfig {
  /** Sites that are remembered; of more, the one that has been known for longest is forgotten. Default: 10,000, a few MiB. */
  readonly maxSites?: number | undefined;
}

/**
 * Makes a rate limit for each site: returns a function that takes a token from a site's bucket and tells whether there was
 * one.
 *
 * @example
 * const mayAsk = siteBuckets({ perSecond: 1, burst: 10, now: Date.now });
 * if (!mayAsk(siteOf(address))) refuse();
 */
export function siteBuckets({
  maxSites = MAX_SITES,
  ...bucket
}: SiteBucketsConfig): (site: string, cost?: number) => boolean {
  const buckets = new Map<string, (cost?: number) => boolean>();
  return (site, cost) => {
    const take = buckets.get(site) ?? tokenBucket(bucket);
    buckets.set(site, take);
    const [oldest] = buckets.keys();
    if (buckets.size > maxSites && oldest !== undefined) buckets.delete(oldest);
    return take(cost);
  };
}
