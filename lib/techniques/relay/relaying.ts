import type { Socket } from 'node:net';
import type { Observable, SchedulerLike } from 'rxjs';
import type { PeerId } from '../../identity.js';
import type { Link } from '../../link/link.js';
import type { Guests } from '../../peers/guests.js';

/** A relay that this node knows. */
export interface Relay {
  /** Its URL, by which this node goes there. */
  readonly url: URL;
  /** Where this node is connected to the same server, with the relay's port: `address:port`. */
  readonly at: readonly string[];
  /** What the server calls itself, where it has told. */
  readonly id: string | undefined;
  /** The rendezvous servers on the same host, as locators name them: `host:port`. */
  readonly meetings: readonly string[];
  /** To the server and back, in milliseconds, where that is known. */
  readonly roundTripMs: number | undefined;
}

/** The relays that are known by now. */
export interface KnownRelays {
  readonly relays: readonly Relay[];
  /** Whether the list is probably complete: every server has answered, is down, or has had enough time. */
  readonly isWhole: boolean;
}

/** What relay meetings use of their node. */
export interface Relaying extends Guests {
  /** The relays that this node knows, at once and whenever that changes. */
  readonly known$: Observable<KnownRelays>;
  /** A secret for one meeting. */
  readonly newToken: () => string;
  /** Joins a relay, to meet a peer there. Emits the socket once the relay has let this node in. */
  readonly join$: (relay: URL, peerId: PeerId, token: string) => Observable<Socket>;
  /** Does the TLS handshake on a socket, in which the peer proves its key once it has come. Has no time limit of its own. */
  readonly secure$: (socket: Socket, role: 'client' | 'server', peerId: PeerId) => Observable<Link>;
  /** Accepts a link if the peer chooses it: emits once the peer's hello has come and the link is taken over. */
  readonly receive$: (link: Link) => Observable<unknown>;
  readonly scheduler: SchedulerLike;
}
