import type { Socket } from 'node:net';
import type { Observable, SchedulerLike } from 'rxjs';
import type { PeerId } from '../../identity.js';
import type { Link } from '../../link/link.js';
import type { PunchReport } from './sockets.js';
import type { OwnPunchSide, PunchPlan, PunchPlanOptions } from './plan.js';
import type { PunchStep } from './steps.js';
import type { Guests } from '../../peers/guests.js';

/** How to predict this node's side for a round. */
export interface SideOptions {
  /** Who asked for the punch. */
  readonly by: 'us' | 'peer';
  /**
   * Whether the ports of a delta NAT may be predicted from the last observation while a new one is under way. That saves two
   * round trips when nobody else has used the NAT since.
   */
  readonly mayGuess: boolean;
}

/** What a node gives to its punches. */
export interface PunchContext extends Guests {
  /** This node's peer id. */
  readonly peerId: PeerId;
  /**
   * The families of addresses by which servers see this node, the one to try first first. Waits for them to tell, but not
   * for long; emits once.
   */
  readonly families$: Observable<readonly (4 | 6)[]>;
  /**
   * This node as a peer has to know it for one round: emits it freshly predicted, and keeps what it rests on (a connection
   * that holds a mapping open) until unsubscribed from. Emits again when that was a guess which a look has shown to be wrong.
   * Fails when no server has seen it by that family.
   *
   * @param peerAddresses where the peer is seen. At this node's own public address it is behind the same NAT, which leads to
   * a mapping from inside only when there is one already (hairpinning, RFC 5382 REQ-8).
   */
  readonly side$: (family: 4 | 6, peerAddresses: readonly string[], options: SideOptions) => Observable<OwnPunchSide>;
  /** Whether a plan may begin now: one that takes thousands of SYNs waits until no other is under way. */
  readonly hasRoomFor: (plan: PunchPlan) => boolean;
  /** To the server that carries this node's signals by a family of addresses, and back, in milliseconds. */
  readonly roundTripMs: (family: 4 | 6) => number;
  /** The other options of a plan. */
  readonly options: () => Omit<PunchPlanOptions, 'delayMs'>;
  /** Carries out a plan: `punch$` of lib/link with this node's sockets. */
  readonly punch$: (plan: PunchPlan, tell: (report: PunchReport) => void) => Observable<Socket>;
  /** Does the TLS handshake on a socket, in which the peer proves its key, within the time limit of a handshake. */
  readonly secure$: (socket: Socket, role: 'client' | 'server', peerId: PeerId) => Observable<Link>;
  /** Accepts a link if the peer chooses it: emits once the peer's hello has come and the link is taken over. */
  readonly receive$: (link: Link) => Observable<unknown>;
  /** Whether this node may come to see a peer that no carrier of signals sees. */
  readonly looksForItself: boolean;
  /** Emits when a peer gets a direct link, whoever made it and how. */
  readonly satisfied$: (peerId: PeerId) => Observable<unknown>;
  readonly tell: (step: PunchStep) => void;
  readonly scheduler: SchedulerLike;
}
