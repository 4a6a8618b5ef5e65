import { DEFAULT_UNREAD_LIMITS, type UnreadLimits } from '../unread.js';

/** Limits of an HTTP server, independent of its services. */
export interface HttpServerLimits extends UnreadLimits {
  /**
   * Connections in all. A parked long poll holds one. With as many, a newcomer takes the place of the newest of the site that has
   * most.
   */
  readonly connections: number;
  /** Connections from one site, an IPv4 address or IPv6 /48: a household, an office, a small carrier NAT. */
  readonly connectionsPerHost: number;
  /**
   * How long a client has to send a request, in milliseconds, and how long a connection may stay without one. An answer may take
   * longer.
   */
  readonly requestMs: number;
}

export const DEFAULT_HTTP_LIMITS: HttpServerLimits = {
  ...DEFAULT_UNREAD_LIMITS,
  connections: 20_000,
  connectionsPerHost: 256,
  requestMs: 5_000,
};
