import { DEFAULT_UNREAD_LIMITS, type UnreadLimits } from '../unread.js';

/** What an HTTP server bears, whatever its services are. */
export interface HttpServerLimits extends UnreadLimits {
  /**
   * Connections in all. A parked long poll holds one. With as many, a newcomer takes the place of the newest of the site that has
   * most.
   */
  readonly connections: number;
  /** Connections from one site, an IPv4 address or IPv6 /48: a household, an office, a small carrier NAT. */
  readonly connectionsPerHost: number;
  /**
   * Whoever takes longer than this to send a request is not asking, in milliseconds; so is a connection that has no
   * request on it for as long. An answer may take its time.
   */
  readonly requestMs: number;
}

export const DEFAULT_HTTP_LIMITS: HttpServerLimits = {
  ...DEFAULT_UNREAD_LIMITS,
  connections: 20_000,
  connectionsPerHost: 256,
  requestMs: 5_000,
};
