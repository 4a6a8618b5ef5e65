import type { Endpoint } from '../endpoint.js';
import type { FramedLink } from '../link/framed-link.js';

/** The way the lines travel. */
export interface Path {
  /** The name of the technique that made the link. */
  readonly technique: string;
  /** Straight to the peer, not through a relay. */
  readonly direct: boolean;
  /** This node's end of it. */
  readonly local: Endpoint;
  /** The other end: the peer's, or the relay's. */
  readonly remote: Endpoint;
  /** The last round trip measured, in milliseconds; none yet, or none possible on a plain link. */
  readonly roundTripMs: number | undefined;
}

/** The way that leads over a link. */
export function pathOf({ link }: FramedLink, roundTripMs: number | undefined): Path {
  const { technique, direct, local, remote } = link;
  return { technique, direct, local, remote, roundTripMs };
}
