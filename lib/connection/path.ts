import type { Endpoint } from '../endpoint.js';
import type { FramedLink } from '../link/framed-link.js';

/** The path that a connection's bytes take. */
export interface Path {
  /** The name of the technique that made the link. */
  readonly technique: string;
  /** Whether it leads straight to the peer, not through a relay. */
  readonly direct: boolean;
  /** This node's end of it. */
  readonly local: Endpoint;
  /** The other end: the peer's, or the relay's. */
  readonly remote: Endpoint;
  /** The last round trip measured, in milliseconds; `undefined` before the first, and on a plain link. */
  readonly roundTripMs: number | undefined;
}

/** The path over a link. */
export function pathOf({ link }: FramedLink, roundTripMs: number | undefined): Path {
  const { technique, direct, local, remote } = link;
  return { technique, direct, local, remote, roundTripMs };
}
