import type { Duplex } from 'node:stream';
import type { Endpoint } from '../endpoint.js';
import type { PeerId } from '../identity.js';

/** A byte stream to a peer, made by one technique. The code that holds it has to close it. */
export interface Link {
  /** The key that the peer proved; for a plain link `plain:` and its endpoint, since nothing was proven. */
  readonly peerId: PeerId;
  /** The bytes, encrypted on their way unless the link is plain. */
  readonly stream: Duplex;
  /** This node's end of it. */
  readonly local: Endpoint;
  /** The other end: the peer's, or the relay's. */
  readonly remote: Endpoint;
  /** The name of the technique that made it. */
  readonly technique: string;
  /** Whether it goes straight to the peer, not through a relay. */
  readonly direct: boolean;
}

/**
 * A link. Its properties are written one by one, and so are those of whatever else there is one of for each connection: V8 gives an object to which
 * properties are added after `...` a shape of its own, which takes memory, and time at every access.
 */
export function linkOf(
  { peerId, stream }: Pick<Link, 'peerId' | 'stream'>,
  { local, remote }: Pick<Link, 'local' | 'remote'>,
  technique: string,
  direct: boolean,
): Link {
  return { peerId, stream, local, remote, technique, direct };
}
