import { ByAge } from './by-age.js';

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
 * A rate limit: a token is taken for each piece of work. Costly work takes several. It may take more than are left; then the bucket needs
 * longer to fill.
 *
 * @example
 * const lines = new TokenBucket({ perSecond: 50, burst: 200, now: Date.now });
 * if (!lines.take()) refuse();
 */
export class TokenBucket {
  readonly #config: TokenBucketConfig;
  #tokens: number;
  #last: number;

  /** @param config may be shared by many. */
  constructor(config: TokenBucketConfig) {
    this.#config = config;
    this.#tokens = config.burst;
    this.#last = config.now();
  }

  /** Takes so many tokens. Returns whether there was one. */
  take(cost = 1): boolean {
    const { perSecond, burst, now } = this.#config;
    const at = now();
    // The clock may be set back.
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, at - this.#last) / 1000) * perSecond);
    this.#last = at;
    if (this.#tokens < 1) return false;
    this.#tokens -= cost;
    return true;
  }
}

/**
 * Makes a rate limit: returns a function that takes a token of a {@link TokenBucket} and tells whether there was one.
 *
 * @example
 * const mayGoOn = tokenBucket({ perSecond: 50, burst: 200, now: Date.now });
 * if (!mayGoOn()) refuse();
 */
export function tokenBucket(config: TokenBucketConfig): (cost?: number) => boolean {
  const bucket = new TokenBucket(config);
  return (cost) => bucket.take(cost);
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
  const buckets = new ByAge<string, TokenBucket>();
  return (site, cost) => {
    const known = buckets.get(site);
    if (known !== undefined) return known.take(cost);
    const added = new TokenBucket(bucket);
    buckets.add(site, added);
    buckets.keep(maxSites);
    return added.take(cost);
  };
}
