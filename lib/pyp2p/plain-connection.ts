import type { Socket } from 'node:net';
import type { Direction } from '../connection/connection.js';
import { PeerConnection } from '../connection/peer-connection.js';
import type { ConnectionContext } from '../connection/start.js';
import { FramedLink } from '../link/framed-link.js';
import type { Link } from '../link/link.js';
import { endpointsOf } from '../link/tcp.js';
import { NO_NONCE, plainWire } from './plain-wire.js';
import { plainName } from './wire/unl-version-2.js';

/** What kind of plain connection. */
export interface PlainStart {
  readonly direction: Direction;
  /** Whether this side sends PyP2P's nonce first: it does when it has dialled, in direct mode. */
  readonly nonce: boolean;
}

/** A link without encryption and proof. */
export interface PlainLink extends Link {
  /**
   * In direct mode, whether PyP2P's nonce, which the side that dialled sends first, has been sent or taken already. By default it is
   * sent when the link is chosen.
   */
  readonly hasNonce?: boolean | undefined;
}

/** A socket as a link. No key is proven, so the peer's id is its endpoint. */
export function plainLink(socket: Socket, technique: string): PlainLink {
  const { local, remote } = endpointsOf(socket);
  return { peerId: plainName(remote), stream: socket, local, remote, technique, direct: true };
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
