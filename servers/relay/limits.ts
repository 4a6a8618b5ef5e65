import { DEFAULT_UNREAD_LIMITS, type UnreadLimits } from '../unread.js';
import type { SpliceLimits } from './splice.js';

/** Limits of one relay. Bytes wait for a node for `idleMs` at most. */
export interface RelayServerLimits extends SpliceLimits, Pick<UnreadLimits, 'unreadBytesPerHost' | 'unreadBytesInAll'> {
  /**
   * Sessions in all: two nodes that are joined, or one that waits for the other. Each counts for one site, that of its two which has
   * more. With as many, a newcomer takes the place of the newest of the site that has most.
   */
  readonly sessions: number;
  /** Nodes in sessions from one IPv4 address or IPv6 /48: a household, an office, a small carrier NAT. */
  readonly nodesPerHost: number;
  /** For how long a node waits for the other, in milliseconds. */
  readonly unpairedMs: number;
  /** Requests a second from one IPv4 address or IPv6 /48, on average. */
  readonly requestsPerSecond: number;
  /** Requests at once from one IPv4 address or IPv6 /48. */
  readonly requestBurst: number;
  /**
   * Tokens that are remembered for four minutes, with what they were used for. When there are more, the newest of the largest
   * site is evicted; then only the fact that it was used is remembered.
   */
  readonly tokens: number;
}

export const DEFAULT_RELAY_LIMITS: RelayServerLimits = {
  sessions: 4_000,
  nodesPerHost: 128,
  unpairedMs: 30_000,
  idleMs: 120_000,
  bytesPerSession: Number.POSITIVE_INFINITY,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  bufferedBytes: 64 * 1024,
  unreadBytesPerHost: DEFAULT_UNREAD_LIMITS.unreadBytesPerHost,
  unreadBytesInAll: DEFAULT_UNREAD_LIMITS.unreadBytesInAll,
  requestsPerSecond: 20,
  requestBurst: 256,
  tokens: 100_000,
};
