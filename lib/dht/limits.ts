import { MAX_TIMER_MS } from '../config.js';
import { withDefaults } from '../config/resolve.js';

/** What one node of the DHT does for others at most. */
export interface DhtLimits {
  /** Parts of parcels in all, each of at most 1000 bytes. */
  readonly parts: number;
  /** Parts from one IPv4 address. */
  readonly partsPerHost: number;
  /** Parts for one receiver. When there are more, the oldest part of the host that has sent most is evicted. */
  readonly partsPerReceiver: number;
  /** Receivers that are announced. */
  readonly announcements: number;
  /** Receivers at one IPv4 address: a household, an office, a small carrier NAT. */
  readonly announcementsPerHost: number;
  /** Members of topics. */
  readonly members: number;
  /** Members at one IPv4 address, of all topics. */
  readonly membersPerHost: number;
  /** Members of one topic. With as many, the newest of the host that has most gives way to one of a host that has less. */
  readonly membersPerTopic: number;
  /** Requests a second from one IPv4 address, on average. */
  readonly requestsPerSecond: number;
  /** Requests at once from one IPv4 address: a large parcel has 17 parts. */
  readonly requestBurst: number;
}

export const DEFAULT_DHT_LIMITS: DhtLimits = {
  parts: 20_000,
  partsPerHost: 2_000,
  partsPerReceiver: 256,
  announcements: 20_000,
  announcementsPerHost: 256,
  members: 20_000,
  membersPerHost: 512,
  membersPerTopic: 256,
  requestsPerSecond: 50,
  requestBurst: 500,
};

/**
 * The limits that were overrides, and the defaults of all others.
 *
 * @throws InvalidOptionError ``Expected `limits.parts` to be …``
 */
export function dhtLimits(overrides: Partial<DhtLimits> | undefined): DhtLimits {
  return withDefaults('limits', DEFAULT_DHT_LIMITS, overrides, MAX_TIMER_MS);
}
