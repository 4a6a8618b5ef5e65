import type { Socket } from 'node:net';
import type { Observable, SchedulerLike } from 'rxjs';
import type { Endpoint } from '../../endpoint.js';
import type { PeerId } from '../../identity.js';
import type { Link } from '../../link/link.js';
import type { Guests } from '../../peers/guests.js';
import type { TurnServer } from '../../stun/turn-name.js';
import type { Unl } from '../../unl/types.js';
import type { Allocation } from './allocation.js';

/** What a node gives to its meetings at TURN servers. */
export interface TurnContext extends Guests {
  /** Those that it may use itself, the best first. */
  readonly servers: readonly TurnServer[];
  /** Has one of them listen for peers by a family of addresses. */
  readonly allocate$: (server: TurnServer, family: 4 | 6) => Observable<Allocation>;
  /** Dials an endpoint of a TURN server. */
  readonly dial$: (endpoint: Endpoint) => Observable<Socket>;
  /** Does the TLS handshake on a socket, in which the peer proves its key. */
  readonly secure$: (socket: Socket, role: 'client' | 'server', peerId: PeerId) => Observable<Link>;
  /** Accepts a link if the peer chooses it: emits once the peer's hello has come and the link is taken over. */
  readonly receive$: (link: Link) => Observable<unknown>;
  /** This node's own locator as it is now. */
  readonly own: () => Unl;
  /** Whether the user has named a STUN or TURN server at this address. */
  readonly knows: (address: string) => boolean;
  /** A TURN server of this node's has seen a peer, which has proven its key there. */
  readonly saw: (peerId: PeerId, address: string) => void;
  readonly scheduler: SchedulerLike;
}
