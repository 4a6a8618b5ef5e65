import { DEFAULT_UNREAD_LIMITS, type UnreadLimits } from '../unread.js';

/** Limits of one server. */
export interface RendezvousServerLimits extends UnreadLimits {
  /** Connections in all. With as many, a newcomer takes the place of the newest of the site that has most. */
  readonly connections: number;
  /** Connections from one site, an IPv4 address or IPv6 /48: a household, an office, a small carrier NAT. */
  readonly connectionsPerHost: number;
  /** Lines a second from one connection, on average. */
  readonly linesPerSecond: number;
  /** Lines at once from one connection. */
  readonly lineBurst: number;
  /** A connection that has said nothing for this long is closed, in milliseconds. Clients of ours say PING each 20 s. */
  readonly idleMs: number;
  /** The same for a PyP2P node that waits for challenges: it has nothing to say for as long as it is listed. */
  readonly listedIdleMs: number;
  /** Entries in each table of the memory store. With as many, the newest of the site that has most gives way to one that has less. */
  readonly tableEntries: number;
  /** Codes by which nodes meet, in all. With as many, the newest of the site that has most gives way to one that has less. */
  readonly codes: number;
  /** Codes of one site. */
  readonly codesPerHost: number;
  /** Codes of one connection. */
  readonly codesPerSession: number;
  /** For how long a code is good, in milliseconds. */
  readonly codeMs: number;
  /** Tries at one code that are passed on. Three with wrong words close it; the node that has it counts those. */
  readonly triesPerCode: number;
  /** Tries at any codes a minute from one site, and so many at once. */
  readonly triesPerMinute: number;
}

export const DEFAULT_SERVER_LIMITS: RendezvousServerLimits = {
  ...DEFAULT_UNREAD_LIMITS,
  connections: 100_000,
  connectionsPerHost: 256,
  linesPerSecond: 50,
  lineBurst: 200,
  idleMs: 120_000,
  listedIdleMs: 24 * 3_600_000,
  tableEntries: 100_000,
  codes: 10_000,
  codesPerHost: 256,
  codesPerSession: 4,
  codeMs: 600_000,
  triesPerCode: 16,
  triesPerMinute: 12,
};

/**
 * How many clients may begin with TLS at a time, in each of two steps, beside those that have a session: an eighth of these, so that the server
 * keeps to the descriptors of its process, and never few.
 */
export function beginningOf({ connections }: Pick<RendezvousServerLimits, 'connections'>): number {
  return Math.max(64, Math.floor(connections / 8));
}
