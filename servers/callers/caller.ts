import type { Endpoint } from '../../lib/endpoint.js';
import { siteOf } from '../../lib/bounds/site.js';

/** Who is at the other end of a connection, or asks something by HTTP. */
export interface Caller {
  /** Canonical text. */
  readonly address: string;
  /** The port that the caller's NAT has given it; `undefined` when a proxy before this server does not tell. */
  readonly port: number | undefined;
  /**
   * Whose address that is: the caller's own; that of a proxy that the caller uses, which has said so; or that of a believed proxy before
   * this server, which does not say who calls.
   */
  readonly whose: 'caller' | 'their-proxy' | 'our-proxy';
  /** What the caller has come to, as a public address and port; `undefined` when a proxy before this server does not tell. */
  readonly local: Endpoint | undefined;
}

/** Where a caller is, as far as it may be told; `undefined` when this server does not know. */
export function seenAt({ address, port, whose }: Caller): Pick<Caller, 'address' | 'port'> | undefined {
  return whose === 'our-proxy' ? undefined : { address, port };
}

/**
 * The site that a caller is counted by. All callers behind a proxy that does not tell who they are would be one: each of their connections
 * is counted alone.
 *
 * @param connection another number for each connection.
 */
export function siteOfCaller({ address, whose }: Caller, connection: number): string {
  return whose === 'our-proxy' ? `proxy ${address} ${connection}` : siteOf(address);
}
