import { siteBuckets, tokenBucket, type TokenBucketConfig } from './rate-limit.js';

/** A rate: so much a second, and so much at once. */
type Rate = Omit<TokenBucketConfig, 'now'>;

/** A rate that sites share. */
interface SharedRateConfig {
  /** Of all sites. Half of it is for what is assured to each. */
  readonly all: Rate;
  /** Of one site at most. */
  readonly ofSite: Rate;
  /** What each site is assured of, as long as no more sites ask at once than half of the rate of all is enough for. */
  readonly assured: Rate;
  /** Sites that are remembered. */
  readonly maxSites: number;
  /** The time, in milliseconds. */
  readonly now: () => number;
}

/**
 * Makes a rate limit that sites share: returns a function that takes a token for a site and tells whether there was one. Half of the rate of all
 * is for who asks little, so that a few sites which use up the other half, first come, first served, keep nobody else out. Pure.
 *
 * @example
 * const mayRead = sharedRate({
 *   all: { perSecond: 500, burst: 2_000 },
 *   ofSite: { perSecond: 50, burst: 500 },
 *   assured: { perSecond: 1, burst: 10 },
 *   maxSites: 1_000,
 *   now: Date.now,
 * });
 * if (!mayRead('192.168.1.7')) console.log('dropped');
 */
export function sharedRate({ all, ofSite, assured, maxSites, now }: SharedRateConfig): (site: string) => boolean {
  const half = { perSecond: all.perSecond / 2, burst: all.burst / 2, now };
  const [mayOfAssured, mayOfRest] = [tokenBucket(half), tokenBucket(half)];
  const mayOfSite = siteBuckets({ maxSites, now, ...ofSite });
  const isAssured = siteBuckets({ maxSites, now, ...assured });
  return (site) => mayOfSite(site) && ((isAssured(site) && mayOfAssured()) || mayOfRest());
}
