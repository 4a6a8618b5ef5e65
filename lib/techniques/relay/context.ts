import type { Socket } from 'node:net';
import type { Observable, SchedulerLike } from 'rxjs';
import type { PeerId } from '../../identity.js';
import type { Link } from '../../link/link.js';
import type { Guests } from '../../peers/guests.js';
import type { KnownRelays } from './known-relays.js';
import type { Meet } from './meeting.js';

/** What a node gives to its meetings at relays. */
export interface RelayContext extends Guests {
  /** The relays that this node knows, at once and whenever that changes. */
  readonly known$: Observable<KnownRelays>;
  /** A secret for one meeting. */
  readonly newToken: () => string;
  /** Joins a relay, to meet a peer there. Emits the socket once the relay has let this node in. */
  readonly join$: (relay: URL, peerId: PeerId, token: string) => Observable<Socket>;
  /** Meets a peer: see {@link meetBy}. */
  readonly meet$: Meet;
  /** Whether a peer was missed at a relay of late. */
  readonly hasMissed: (peerId: PeerId, relay: URL) => boolean;
  /** A peer was missed at a relay. */
  readonly misses: (peerId: PeerId, relay: URL) => void;
  /** Accepts a link if the peer chooses it: emits once the peer's hello has come and the link is taken over. */
  readonly receive$: (link: Link) => Observable<unknown>;
  readonly scheduler: SchedulerLike;
}
