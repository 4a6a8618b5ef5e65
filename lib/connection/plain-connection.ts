import type { Socket } from 'node:net';
import { formatEndpoint } from '../endpoint.js';
import { FramedLink } from '../link/framed-link.js';
import type { Link } from '../link/link.js';
import { NO_NONCE, plainWire } from '../link/plain.js';
import { endpointsOf } from '../link/tcp.js';
import type { Direction } from './connection.js';
import { PeerConnection } from './peer-connection.js';
import type { ConnectionContext } from './start.js';

/** What kind of plain connection. */
export interface PlainStart {
  readonly direction: Direction;
  /** Whether this side has dialled and sends PyP2P's nonce first, in direct mode. */
  readonly nonce: boolean;
}

/** A socket as a link: nobody is proven, so that the peer is called by its endpoint. */
export function plainLink(socket: Socket, technique: string): Link {
  const { local, remote } = endpointsOf(socket);
  return { peerId: `plain:${formatEndpoint(remote)}`, stream: socket, local, remote, technique, direct: true };
}

/** Makes a connection of a plain link: lines that end in CRLF, nothing encrypted. */
export function plainConnection(
  link: Link,
  { direction, nonce }: PlainStart,
  context: ConnectionContext,
): PeerConnection {
  if (nonce) link.stream.write(NO_NONCE);
  const framed = new FramedLink(link, plainWire());
  return new PeerConnection(framed, { id: '', direction, confirmed: true, isControlling: false }, context);
}
