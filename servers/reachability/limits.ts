import { DEFAULT_HTTP_LIMITS, type HttpServerLimits } from '../http/limits.js';

/** Limits of one reachability server. */
export interface ReachabilityServerLimits extends HttpServerLimits {
  /** For a caller's port to answer, and again for the caller to prove its key there, in milliseconds (PyP2P: 1 s). */
  readonly dialMs: number;
  /** Callers that are dialled at the same time. */
  readonly dials: number;
  /** Callers that wait to be dialled; more are told to come back. */
  readonly waiting: number;
  /** Dials a minute to one IPv4 address or IPv6 /48. A node asks a few times when it starts, and when its network changes. */
  readonly dialsPerMinute: number;
  /** Dials at once to one IPv4 address or IPv6 /48: a household, an office, a small carrier NAT. */
  readonly dialBurst: number;
}

/** Those of them that are not of HTTP. */
export type DialLimits = Omit<ReachabilityServerLimits, keyof HttpServerLimits>;

export const DEFAULT_DIAL_LIMITS: DialLimits = {
  dialMs: 1_000,
  dials: 64,
  waiting: 256,
  dialsPerMinute: 30,
  dialBurst: 30,
};

export const DEFAULT_REACHABILITY_LIMITS: ReachabilityServerLimits = {
  ...DEFAULT_HTTP_LIMITS,
  connections: 1_000,
  connectionsPerHost: 64,
  ...DEFAULT_DIAL_LIMITS,
};
