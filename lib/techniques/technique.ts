import type { Socket } from 'node:net';
import type { Observable, OperatorFunction, SchedulerLike } from 'rxjs';
import type { Timing } from '../config.js';
import type { Endpoint } from '../endpoint.js';
import type { Link } from '../link/link.js';
import type { Signalling } from '../signalling/signalling.js';
import type { Unl } from '../unl/types.js';
import type { Challenging } from './challenging.js';
import type { Punching } from './punching.js';
import type { Relaying } from './relaying.js';
import type { ReverseQuerying } from './reverse-querying.js';

/** One run of `connect$`: who is to be reached, from where, and with what. */
export interface Attempt {
  /** Names the attempt on both sides: nobody can guess it. */
  readonly id: string;
  /** The locator of the node that is to be reached. */
  readonly peer: Unl;
  /** This node's own locator as it is now; its endpoints tell what is near. */
  readonly own: Unl;
  /**
   * Opens a link to the peer at an endpoint, its key proven. Emits it and completes; unsubscribed before that, it gives up.
   *
   * @throws PeerMismatchError (`PEER_MISMATCH`) when somebody else answers; DialError (`DIAL_FAILED`) when nobody does, or the connection
   * breaks; ProtocolError (`PROTOCOL`) when it is no node; TimeoutError (`TIMEOUT`) after `timing.dialMs` or `timing.handshakeMs`.
   */
  readonly dial$: (endpoint: Endpoint, technique: string) => Observable<Link>;
  /**
   * Makes a link of a socket that leads to the peer's port by a way of the application's own, such as a proxy, its key proven.
   * Emits it and completes; when it fails, or is unsubscribed before that, the socket is closed.
   *
   * @throws PeerMismatchError (`PEER_MISMATCH`), DialError (`DIAL_FAILED`), ProtocolError (`PROTOCOL`) and TimeoutError (`TIMEOUT`) as
   * `dial$`.
   */
  readonly secure$: (socket: Socket, technique: string) => Observable<Link>;
  /** Takes a link that the peer makes for this attempt, as made by a technique, which ends the attempt. Never emits. */
  readonly expect$: (technique: string) => Observable<never>;
  /** Small messages to the peer, for techniques in which both sides take part. */
  readonly signalling: Signalling;
  /** How long things may take, as the net was told. */
  readonly timing: Timing;
  /** The round trip between the two nodes, in milliseconds, as far as it can be guessed: as to the server that carries their signals. */
  readonly roundTripMs: number | undefined;
  /** For timers: in specs time is virtual. */
  readonly scheduler: SchedulerLike;
  /**
   * For simultaneous opens; `undefined` while nobody has seen from where this node's packets come.
   *
   * @internal
   */
  readonly punching?: Punching | undefined;
  /**
   * For meetings at relays; `undefined` where this node uses none.
   *
   * @internal
   */
  readonly relaying?: Relaying | undefined;
  /**
   * For PyP2P's challenges; `undefined` where this node takes no part in them.
   *
   * @internal
   */
  readonly challenging?: Challenging | undefined;
  /**
   * For PyP2P's reverse connect; `undefined` where this node has no mailbox of PyP2P's.
   *
   * @internal
   */
  readonly reverseQuerying?: ReverseQuerying | undefined;
}

/** A way to the peer of an attempt. Emits the link it makes and completes, or fails; unsubscribed, it gives up. */
export type Dial = OperatorFunction<Attempt, Link>;

/**
 * A traversal technique by its name, which is what `--technique` and the outcomes call it. An application can bring its own.
 *
 * @example
 * const byTunnel: Technique = {
 *   name: 'tunnel',
 *   dial: (attempt$) =>
 *     attempt$.pipe(switchMap(({ dial$ }) => dial$({ address: '127.0.0.1', port: 4000 }, 'tunnel'))),
 * };
 * net.connect$(unl, { techniques: [byTunnel, 'direct', 'relay'] }).subscribe();
 */
export interface Technique {
  /** What traces, outcomes and `Path.technique` call it. */
  readonly name: string;
  /** Makes a link to the peer of an attempt. */
  readonly dial: Dial;
  /** Whether both nodes do something for a direct link, so that one may be there any moment while it is under way. Default: no. */
  readonly isMutual?: boolean | undefined;
}

/** Techniques that are tried side by side. */
export interface Stage {
  readonly techniques: readonly Technique[];
  /** Its head start over the next stage, in round trips between the two nodes. */
  readonly lead: number;
}

/** What is tried, best first. */
export type Stages = readonly Stage[];
