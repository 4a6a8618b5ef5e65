import {
  defer,
  delay,
  finalize,
  from,
  map,
  mergeMap,
  noop,
  switchMap,
  take,
  takeUntil,
  tap,
  throwIfEmpty,
  type Observable,
} from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import type { Acceptors } from '../connection/channels/acceptors.js';
import type { Channel } from '../connection/connection.js';
import type { PeerConnection } from '../connection/peer-connection.js';
import { ClosedError, reasonOf, UnavailableError } from '../errors.js';
import { takeTurns, type Turn } from '../operators/take-turns.js';
import type { Peers } from '../peers/peers.js';
import type { Finder } from '../rooms/discovery/finder.js';
import type { RoomNet } from '../rooms/host.js';
import type { Room } from '../rooms/interface.js';
import type { ResolvedJoin } from '../rooms/options.js';
import type { Runtime } from '../runtime.js';
import type { StagesFor } from '../techniques/stages.js';
import type { Trace } from '../trace.js';
import { isOnLink } from '../self/locator.js';
import { formatUnl } from '../unl.js';
import type { Unl, UnlV3 } from '../unl/types.js';

/** A connection that rooms have made, and that nothing uses any more, is closed after this time, in milliseconds: members come and go. */
const LINGER_MS = 5_000;

/** Each technique has this long to reach a member, in milliseconds: there are others. */
export const ROOM_DIAL_MS = 20_000;

/** Members that one room dials at once: each dial is the work of a TLS handshake, and where a hundred join at once, all of them dial. */
const MOST_DIALS = 3;

/** The head start of each technique over the next, in milliseconds: as long as a handshake takes where a hundred others are under way. */
const PATIENT_LEAD_MS = 5_000;

/**
 * The techniques by which a member is reached, the next only when the one before has had its time. A user waits for `connect$`; here nobody
 * does, and where a hundred join at once, what is tried beside a dial that succeeds is most of the work.
 */
export function patiently(stagesFor: StagesFor): StagesFor {
  return (own, peer, isDialled) =>
    stagesFor(own, peer, isDialled).map((stage) => (stage.lead === 0 ? stage : { ...stage, leadMs: PATIENT_LEAD_MS }));
}

/** What rooms need of a running net. */
interface RoomsConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly peers: Peers;
  readonly acceptors: Acceptors;
  readonly own: () => Unl;
  readonly own$: Observable<Unl>;
  readonly find: Finder;
  readonly trace: Trace;
  /** Connects to a peer. */
  readonly connect$: (peer: UnlV3) => Observable<PeerConnection>;
  /** Emits when the net is about to close. */
  readonly closing$: Observable<unknown>;
}

/** The rooms of a net, as they use its connections. */
export class Rooms {
  readonly #config: RoomsConfig;
  readonly #net: Omit<RoomNet, 'connect$'>;
  /** The connections that rooms have made, as long as the application has not asked for them. */
  readonly #made = new WeakSet<PeerConnection>();

  constructor(config: RoomsConfig) {
    const { runtime, peers, acceptors, own, own$, find, trace } = config;
    const { identity, acceptPeer } = config.config;
    this.#config = config;
    this.#net = {
      identity,
      runtime,
      own,
      own$,
      unl$: own$.pipe(map(formatUnl)),
      isOnLink,
      trace,
      joined: new Set(),
      find,
      accepts: (peerId) => accepts(acceptPeer, peerId),
      openChannel: (connection, name) => {
        const ours = peers.get(connection.peerId);
        if (ours === undefined) throw new ClosedError('The connection has ended');
        return this.#watched(ours.openReserved(name));
      },
      channels$: (name) => acceptors.channels$(name).pipe(map((channel) => this.#watched(channel))),
    };
  }

  /** See `Net.join$`. The code of rooms is loaded when the first is joined. */
  join$(join: ResolvedJoin): Observable<Room> {
    return defer(() => from(loadJoin())).pipe(
      switchMap(({ joinRoom$ }) => {
        // Each room has its own turns: members of one that cannot be reached keep no other waiting.
        const inTurn = lanesOf(MOST_DIALS);
        const connect$ = (peer: UnlV3) => inTurn(this.#dial$(peer));
        return joinRoom$({ ...this.#net, connect$ }, join, this.#config.closing$);
      }),
    );
  }

  /** The application has got a connection, which is not closed for rooms any more. */
  handedOver(connection: PeerConnection): void {
    this.#made.delete(connection);
  }

  #dial$(peer: UnlV3): Observable<PeerConnection> {
    return defer(() => {
      const { peers, connect$ } = this.#config;
      const isNew = peers.get(peer.peerId) === undefined;
      return connect$(peer).pipe(
        take(1),
        mergeMap((connection) => connection.confirmed$.pipe(map(() => connection))),
        throwIfEmpty(() => new ClosedError('The peer refused')),
        tap((connection) => {
          if (isNew && connection.direction === 'outbound') this.#made.add(connection);
        }),
      );
    });
  }

  /** Closes the connection of a channel once that is over, if a room has made it and nobody uses it. */
  #watched(channel: Channel): Channel {
    const { runtime, peers, closing$ } = this.#config;
    const connection = peers.get(channel.connection.peerId);
    if (connection === undefined || !this.#made.has(connection)) return channel;
    channel.closed$.pipe(delay(LINGER_MS, runtime.scheduler), takeUntil(closing$)).subscribe({
      next: () => {
        if (this.#made.has(connection) && connection.isUnused) connection.close();
      },
      error: noop,
    });
    return channel;
  }
}

/** So many queues as one: whatever comes joins the shortest. */
function lanesOf(count: number): Turn {
  const lanes = Array.from({ length: count }, () => ({ turn: takeTurns(), waiting: 0 }));
  return (source$) =>
    defer(() => {
      const lane = lanes.reduce((free, each) => (each.waiting < free.waiting ? each : free));
      lane.waiting++;
      return lane.turn(source$).pipe(finalize(() => lane.waiting--));
    });
}

/** An application's function may throw. */
function accepts(acceptPeer: ResolvedConfig['acceptPeer'], peerId: string): boolean {
  try {
    return acceptPeer(peerId);
  } catch {
    return false;
  }
}

async function loadJoin() {
  try {
    return await import('../rooms/join.js');
  } catch (cause) {
    throw new UnavailableError(`Rooms could not be loaded: ${reasonOf(cause)}; start the process anew`, { cause });
  }
}
