import {
  catchError,
  combineLatest,
  concat,
  defer,
  EMPTY,
  exhaustMap,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  mergeMap,
  of,
  repeat,
  switchMap,
  take,
  tap,
  timeout,
  timer,
  toArray,
  withLatestFrom,
  type Observable,
} from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { backoffMs } from '../operators/backoff.js';
import type { ListedUnl } from '../rendezvous/dialect.js';
import { MAX_NODES } from '../bounds/max-nodes.js';
import type { RendezvousSession } from '../rendezvous/session.js';
import type { Runtime } from '../runtime.js';
import type { Trace } from '../trace.js';
import { Seen } from '../bounds/seen.js';
import { connectionKeyOf } from '../unl.js';
import { hearsayOf, mayDialHearsay, type Standpoint } from '../unl/dialable.js';
import { endpointsIn } from '../unl/near.js';
import type { Unl } from '../unl/types.js';
import type { Peers } from '../peers/peers.js';

/** A node with this many inbound connections is known well enough, and does not advertise itself again (PyP2P). */
const ENOUGH_INBOUND = 3;

/** A server is asked for more nodes than there are free slots, since some will be gone, full or known already. */
const NODES_PER_SLOT = 3;

/** A peer that could not be reached, or that refused, is left alone for this many times the shortest pause. */
const SHUN_ROUNDS = 15;

/** More than a server ever names. */
const MAX_SHUNNED = 1_000;

/** A server that does not answer within this time is passed over: several round trips on the slowest of paths. */
const ANSWER_MS = 5_000;

/** What keeps a node in a flooding network. */
interface FloodConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly peers: Pick<Peers, 'count' | 'get'> & { readonly left$: Observable<unknown> };
  readonly trace: Trace;
  /** The sessions that are open, whenever they change; replays the latest. */
  readonly sessions$: Observable<readonly RendezvousSession[]>;
  /** This node's locator, whenever it changes; replays the latest. */
  readonly own$: Observable<Unl>;
  /** Whether one of this machine's interfaces is on the same network as an address. */
  readonly isOnLink: (address: string) => boolean;
  /** Connects to a peer, or fails, also when the peer refuses. */
  readonly connect$: (peer: Unl) => Observable<unknown>;
}

/** Keeps a node in a flooding network: advertises it and fills its outbound slots. Never emits, never fails. */
export function flood$(flood: FloodConfig): Observable<never> {
  return merge(advertise$(flood), fillSlots$(flood));
}

/** To every server, at each new session and each new locator, and then now and again. */
function advertise$({ config, runtime, peers, sessions$, own$ }: FloodConfig): Observable<never> {
  return combineLatest([own$, sessions$]).pipe(
    switchMap(([own, sessions]) =>
      timer(0, config.timing.advertiseMs, runtime.scheduler).pipe(
        filter((round) => round === 0 || peers.count('inbound') < ENOUGH_INBOUND),
        tap(() => {
          for (const session of sessions) {
            session.advertise(own, config.slots.inbound);
          }
        }),
      ),
    ),
    ignoreElements(),
  );
}

/** An interval stream: at once and then with growing pauses, anew whenever a server or a slot becomes free. */
function fillSlots$(flood: FloodConfig): Observable<never> {
  const { config, runtime, peers, sessions$ } = flood;
  const { bootstrapMinMs, bootstrapMs } = config.timing;
  const shunned = new Seen({
    forMs: SHUN_ROUNDS * bootstrapMinMs,
    maxEntries: MAX_SHUNNED,
    now: () => runtime.scheduler.now(),
  });
  const round$ = of(undefined).pipe(
    repeat({
      delay: (count) => timer(backoffMs(count, bootstrapMinMs, bootstrapMs, runtime.random), runtime.scheduler),
    }),
  );
  return merge(sessions$, peers.left$).pipe(
    switchMap(() => round$),
    // Servers are asked with pauses, however often a slot becomes free.
    exhaustMap(() => concat(bootstrap$(flood, shunned), timer(bootstrapMinMs, runtime.scheduler))),
    ignoreElements(),
  );
}

/** Asks every server for nodes and connects to as many as there are free slots. */
function bootstrap$(flood: FloodConfig, shunned: Seen): Observable<unknown> {
  const { config, peers, trace, sessions$, own$, connect$ } = flood;
  return defer(() => {
    const free = config.slots.outbound - peers.count('outbound');
    if (free <= 0) return EMPTY;
    const candidates$ = sessions$.pipe(
      take(1),
      mergeMap((sessions) => merge(...sessions.map((session) => ask$(session, free, flood)))),
      toArray(),
      map((answers) => answers.flat()),
      withLatestFrom(own$),
      map(([candidates, own]) => distinct(candidates).filter((peer) => isStranger(peer, own, peers))),
      tap((candidates) => {
        trace({ type: 'bootstrap', nodes: candidates.length });
      }),
    );
    let active = 0;
    return candidates$.pipe(
      mergeMap((candidates) => candidates),
      mergeMap((peer) => {
        // Earlier attempts may have filled the slots meanwhile, or this peer may have connected by itself.
        if (peers.count('outbound') + active >= config.slots.outbound || !isStrangerTo(peers, peer)) return EMPTY;
        if (shunned.has(connectionKeyOf(peer))) return EMPTY;
        active++;
        return connect$(peer).pipe(
          catchError(() => {
            shunned.add(connectionKeyOf(peer));
            return EMPTY;
          }),
          finalize(() => active--),
        );
      }, free),
    );
  });
}

/** Asks a server for nodes. What it passes on is hearsay: of each node there is left what this node may dial. */
function ask$(
  session: RendezvousSession,
  free: number,
  { runtime, own$, isOnLink }: FloodConfig,
): Observable<readonly Unl[]> {
  const count = Math.min(MAX_NODES, free * NODES_PER_SLOT);
  const by = session.remote.address;
  return session.nodes$(count).pipe(
    withLatestFrom(own$),
    map(([nodes, own]) => nodes.flatMap((node) => admit(node, by, { own: endpointsIn(own), isOnLink }))),
    timeout({ first: ANSWER_MS, scheduler: runtime.scheduler }),
    catchError(() => EMPTY),
  );
}

/** The locator of a node as far as this one may dial it. */
function admit({ unl, seenAt }: ListedUnl, by: string, standpoint: Standpoint): Unl[] {
  const sightings = seenAt.map((at) => ({ at, by }));
  if (unl.version === 3) return [hearsayOf(unl, sightings, standpoint)];
  // A version 2 locator is taken as a whole or not at all: single endpoints cannot be left out.
  const mayDial = endpointsIn(unl).every((endpoint) =>
    sightings.some((seen) => mayDialHearsay(endpoint, seen, standpoint)),
  );
  return mayDial ? [unl] : [];
}

/** Each node once: of its locators from several servers, the one with most endpoints that may be dialled. */
function distinct(unls: readonly Unl[]): Unl[] {
  const bestLast = unls.toSorted((a, b) => endpointsIn(a).length - endpointsIn(b).length);
  return [...new Map(bestLast.map((unl) => [connectionKeyOf(unl), unl])).values()];
}

function isStranger(peer: Unl, own: Unl, peers: FloodConfig['peers']): boolean {
  return connectionKeyOf(peer) !== connectionKeyOf(own) && isStrangerTo(peers, peer);
}

function isStrangerTo(peers: FloodConfig['peers'], peer: Unl): boolean {
  return peers.get(connectionKeyOf(peer)) === undefined;
}
