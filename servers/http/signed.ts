import type { IncomingHttpHeaders } from 'node:http';
import { CLOCK_TOLERANCE_MS } from '../../lib/signed-request.js';

/** A signed request, and what it is checked against. */
export interface SignedConfig {
  readonly headers: IncomingHttpHeaders;
  /** When it was made, by the caller's clock, in milliseconds since the epoch. */
  readonly at: number;
  /** The same by this server's. */
  readonly now: number;
  /** The names by which clients know this server. `undefined`: any. */
  readonly hosts: ReadonlySet<string> | undefined;
  /** Whether its sender signed it for a server of this name. */
  readonly isAuthorized: (host: string, authorization: string | undefined) => boolean;
}

/** The code and words of what is wrong with a signed request, whatever its purpose; `undefined` when nothing is. */
export function faultOf({
  headers: { host = '', authorization },
  at,
  now,
  hosts,
  isAuthorized,
}: SignedConfig): readonly ['signature' | 'clock', string] | undefined {
  if (hosts?.has(host.toLowerCase()) === false) {
    return ['signature', 'this server is not known by the name in the request'];
  }
  if (!isAuthorized(host, authorization)) return ['signature', 'the request is not signed by whom it is from'];
  return Math.abs(at - now) > CLOCK_TOLERANCE_MS ? ['clock', 'the clock of the caller is wrong'] : undefined;
}
