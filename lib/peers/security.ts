import type { Socket } from 'node:net';
import type { Observable } from 'rxjs';
import type { PeerConnection } from '../connection/peer-connection.js';
import type { ConnectionStart } from '../connection/start.js';
import type { PeerId } from '../identity.js';
import type { FramedLink } from '../link/framed-link.js';
import type { Hello } from '../link/handshake.js';
import type { Link } from '../link/link.js';

/** What a link is made for. */
export interface LinkOptions {
  /** The technique that makes it. */
  readonly technique: string;
  /** Who has to be at the other end; `undefined` where nobody knows. */
  readonly peerId: PeerId | undefined;
}

/** What takes in those who dial this node. */
export interface Reception {
  /** Whether an inbound connection from an address gets a slot. */
  hasInboundSlotFor(address: string): boolean;
  /** Takes a link on which a peer has said hello, or turns it away. */
  receive(framed: FramedLink, hello: Hello): void;
  /** Counts a connection in until it ends. */
  add(connection: PeerConnection): PeerConnection;
}

/** How sockets become links, and links connections: what depends on whether peers prove their keys. */
export interface Security {
  /**
   * Makes a link of a socket that leads to a peer's port. Emits it and completes; fails for anybody else than the peer where it proves
   * a key, and closes the socket then, or when unsubscribed before.
   */
  readonly linkOver$: (socket: Socket, options: LinkOptions) => Observable<Link>;
  /** Takes in a socket that has arrived. Completes when what it is has shown; fails, and closes the socket, when it is of no use. */
  readonly receive$: (socket: Socket, reception: Reception) => Observable<unknown>;
  /** Makes a connection of a link that this side has chosen. */
  readonly connectionOver: (link: Link, start: Pick<ConnectionStart, 'direction' | 'attempt'>) => PeerConnection;
}
