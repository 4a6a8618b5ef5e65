import type { ServerReport } from '../server-report.js';
import type { Socket } from 'node:net';
import type { Observable, OperatorFunction, SchedulerLike } from 'rxjs';
import type { Timing } from '../config.js';
import type { Endpoint } from '../endpoint.js';
import type { Link } from '../link/link.js';
import type { Signalling } from '../signalling/signalling.js';
import type { Unl } from '../unl/types.js';

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
   * Whether `dial$` dials an endpoint. While a connection looks for another link, it refuses those that only the peer claims: they may
   * belong to a third party.
   */
  readonly mayDial: (endpoint: Endpoint) => boolean;
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
  /**
   * Where the peer is on the local network, as it says there, if it does: addresses of this network, which may not be in its locator. Completes
   * after a second. `undefined` where this node does not ask there.
   */
  readonly nearby$?: Observable<Endpoint> | undefined;
  /** Small messages to the peer, for techniques in which both sides take part. */
  readonly signalling: Signalling;
  /** How long things may take, as the net was told. */
  readonly timing: Timing;
  /** The round trip between the two nodes, in milliseconds, as far as it can be guessed: as to the server that carries their signals. */
  readonly roundTripMs: number | undefined;
  /** For timers: in specs time is virtual. */
  readonly scheduler: SchedulerLike;
}

/**
 * A way to the peer of an attempt. Emits the link it makes and completes, or fails; unsubscribed, it gives up. It may go on after a link and emit another, where the
 * peer turns out not to come there.
 */
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
  /** Whether its links lead over a relay: it is not tried for a connection that has such a link, and looks for a better one. Default: no. */
  readonly isRelayed?: boolean | undefined;
}

/** What `--technique` and `options.techniques` can name, best first. */
export const TECHNIQUE_NAMES = [
  'direct',
  'simultaneous-open',
  'reverse-connect',
  'challenge',
  'reverse-query',
  'relay',
  'turn',
] as const;

/**
 * The name of a technique that comes with the library, best first.
 *
 * @useDeclaredType
 */
export type TechniqueName = (typeof TECHNIQUE_NAMES)[number];

/** The properties of a technique that do not depend on a node. */
export interface TechniqueTraits extends Omit<Technique, 'dial'> {
  readonly name: TechniqueName;
  /** When it is tried: `dial` needs no help, `signal` needs the peer's help, `relay` needs a server for as long as the link lasts. */
  readonly stage: 'dial' | 'signal' | 'relay';
  /** Whether it may lead to a peer with such a locator. */
  readonly serves: (peer: Unl) => boolean;
}

/**
 * A technique as a node runs it: how it dials, and how it answers the peers that use it. A technique that is switched off by the
 * configuration stays in the list; its dials fail with the reason.
 */
export interface NodeTechnique extends TechniqueTraits, Technique {
  readonly name: TechniqueName;
  /** Whether it needs to know how this node's NAT chooses ports. */
  readonly looksAtNat?: boolean | undefined;
  /** Answers peers for as long as it is subscribed to. Never emits, never fails. */
  readonly answer$: Observable<never>;
  /** Asks the servers that it needs, of which nothing is known otherwise, whether they work. Cold; emits a report of each, and completes. */
  readonly check$?: Observable<ServerReport> | undefined;
}

/** Techniques that are tried side by side. */
interface Stage {
  readonly techniques: readonly Technique[];
  /** Its head start over the next stage, in round trips between the two nodes. */
  readonly lead: number;
  /** The same in milliseconds, whatever the round trips. Default: by {@link lead}. */
  readonly leadMs?: number | undefined;
}

/** What is tried, best first. */
export type Stages = readonly Stage[];
