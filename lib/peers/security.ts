import type { Socket } from 'node:net';
import type { Observable } from 'rxjs';
import type { PeerConnection } from '../connection/peer-connection.js';
import type { ConnectionStart } from '../connection/start.js';
import type { PeerId } from '../identity.js';
import type { FramedLink } from '../link/framed-link.js';
import type { Hello } from '../link/handshake.js';
import type { Link } from '../link/link.js';

/** What a link is for. */
export interface LinkOptions {
  /** The technique that makes it. */
  readonly technique: string;
  /** The peer that has to be at the other end; `undefined` if that is not known. */
  readonly peerId: PeerId | undefined;
}

/** Takes in peers that dial this node. */
export interface Reception {
  /** Whether an inbound connection from an address gets a slot. */
  hasInboundSlotFor(address: string): boolean;
  /** Takes a link on which a peer has said hello, or refuses it. */
  receive(framed: FramedLink, hello: Hello): void;
  /** Adds a connection until it ends. */
  add(connection: PeerConnection): PeerConnection;
}

/** How a socket becomes a link, and a link a connection. This depends on whether peers prove keys. */
export interface Security {
  /**
   * Makes a link of a socket that leads to a peer's port. Emits it and completes. Fails if another key than the peer's is proven. Closes
   * the socket when it fails, or when unsubscribed from before.
   */
  readonly linkOver$: (socket: Socket, options: LinkOptions) => Observable<Link>;
  /** Takes in a socket that has arrived. Completes when its link has been handed on; otherwise closes the socket and fails. */
  readonly receive$: (socket: Socket, reception: Reception) => Observable<unknown>;
  /** Makes a connection of a link that this side has chosen. */
  readonly connectionOver: (link: Link, start: Pick<ConnectionStart, 'direction' | 'attempt'>) => PeerConnection;
}
