import {
  catchError,
  defer,
  EMPTY,
  finalize,
  mergeMap,
  Observable,
  retry,
  switchMap,
  take,
  tap,
  throwError,
  timer,
} from 'rxjs';
import { familyOf, isPublicUnicast, scopeOf, type Endpoint } from '../../endpoint.js';
import { DialError } from '../../errors.js';
import type { PeerId } from '../../identity.js';
import type { Link } from '../../link/link.js';
import { ignoreErrors } from '../../operators/ignore-errors.js';
import { within } from '../../operators/within.js';
import { isOnLoopbackAlone } from '../../unl/dialable.js';
import { endpointsIn } from '../../unl/near.js';
import type { Unl } from '../../unl/types.js';
import type { Allocation } from './allocation.js';
import type { TurnContext } from './context.js';
import { MAX_FROM } from './messages.js';

/** How long a node that has agreed to come has for that, in milliseconds. */
export const COME_MS = 10_000;

/** Who dials an allocation has so long to prove a key, in milliseconds. */
const HANDSHAKE_MS = 4_000;

/** Handshakes with those who have dialled an allocation: anybody at the peer's address may. */
const MAX_HANDSHAKES = 4;

/** A peer that dials before its address is permitted is turned away, and dials again after this time, in milliseconds. */
const DIAL_AGAIN = { count: 4, ms: 500 };

/**
 * The first port that TURN servers give out (RFC 8656 §7.2: a server should use the dynamic ports of RFC 6335 §6). Services do not
 * listen there, so that nobody is sent to one.
 */
const FIRST_RELAYED_PORT = 49_152;

/** The addresses from which a node may dial: those at which servers see it before its own. */
export function addressesOf(unl: Unl): readonly string[] {
  const endpoints = endpointsIn(unl);
  const [seen, own] = [endpoints.filter(({ kind }) => kind !== 'lan'), endpoints.filter(({ kind }) => kind === 'lan')];
  return [...new Set([...seen, ...own].map(({ address }) => address))].slice(0, MAX_FROM);
}

/**
 * The family of addresses by which a peer is to come: one that both nodes have, so that the server sees the peer where this node would punch to;
 * IPv4 before IPv6, and that of the peer's where they have none in common.
 */
export function familyFor(own: readonly string[], peers: readonly string[]): 4 | 6 {
  const has = (addresses: readonly string[], family: 4 | 6) => addresses.some((each) => familyOf(each) === family);
  const common = ([4, 6] as const).find((family) => has(own, family) && has(peers, family));
  return common ?? (peers.length > 0 && !has(peers, 4) ? 6 : 4);
}

/** Has the first TURN server listen that can, one after the other. */
export function allocateAtAny$(context: TurnContext, family: 4 | 6): Observable<Allocation> {
  const [first, ...others] = context.servers;
  if (first === undefined) return throwError(() => new DialError('This node has no TURN server: name one by `turn`'));
  let isThere = false;
  return context.allocate$(first, family).pipe(
    tap(() => {
      isThere = true;
    }),
    catchError((error: unknown) => {
      if (isThere || others.length === 0) throw error;
      return allocateAtAny$({ ...context, servers: others }, family);
    }),
  );
}

/**
 * Lets a peer in at an allocation, from some addresses, for as long as it is subscribed to. Emits once, as soon as the server has
 * decided on each of them.
 */
export function admit$({ relayed, permit$ }: Allocation, addresses: readonly string[]): Observable<unknown> {
  const family = familyOf(relayed.address);
  const usable = [...new Set(addresses)].filter(
    (address) => scopeOf(address) !== 'unusable' && familyOf(address) === family,
  );
  return new Observable((subscriber) => {
    const few = usable.slice(0, MAX_FROM + 1);
    const undecided = new Set(few);
    const decide = (address: string) => {
      if (undecided.delete(address) && undecided.size === 0) subscriber.next(undefined);
    };
    if (few.length === 0) subscriber.next(undefined);
    for (const address of few) {
      const decided = () => {
        decide(address);
      };
      // An address that the server does not relay to is no failure of the others.
      subscriber.add(permit$(address).subscribe({ next: decided, error: decided }));
    }
  });
}

/** The first of those who dial an allocation that proves to be the peer. Where the server sees it is remembered. */
export function linkAt$(
  { arrival$ }: Allocation,
  { secure$, saw, scheduler }: TurnContext,
  role: 'client' | 'server',
  peerId: PeerId,
): Observable<Link> {
  return defer(() => {
    let shaking = 0;
    return arrival$.pipe(
      mergeMap(({ socket, seenAt }) => {
        // Nobody waits for a turn: who came first may say nothing.
        if (shaking >= MAX_HANDSHAKES) {
          socket.destroy();
          return EMPTY;
        }
        shaking++;
        return secure$(socket, role, peerId).pipe(
          within(HANDSHAKE_MS, 'There was no TLS handshake', scheduler),
          tap(() => {
            saw(peerId, seenAt);
          }),
          ignoreErrors(),
          finalize(() => shaking--),
        );
      }),
      take(1),
    );
  });
}

/** Dials an endpoint at which a TURN server listens for a peer, and again where it is not let in yet. */
export function comeTo$(
  endpoint: Endpoint,
  { dial$, secure$, scheduler }: TurnContext,
  role: 'client' | 'server',
  peerId: PeerId,
): Observable<Link> {
  return dial$(endpoint).pipe(
    switchMap((socket) => secure$(socket, role, peerId)),
    retry({ count: DIAL_AGAIN.count, delay: () => timer(DIAL_AGAIN.ms, scheduler) }),
  );
}

/**
 * Whether this node dials an endpoint because a peer says that a TURN server listens there for it: a public one, or one of a server that
 * this node was told of itself, and only at ports that such servers give out. See docs/decisions/021-endpoints-at-turn-servers.md.
 */
export function mayComeTo({ address, port }: Endpoint, { own, knows }: Pick<TurnContext, 'own' | 'knows'>): boolean {
  if (port < FIRST_RELAYED_PORT) return false;
  if (knows(address) || isPublicUnicast(address)) return true;
  return scopeOf(address) === 'loopback' && isOnLoopbackAlone(endpointsIn(own()));
}

/** Emits the first link of some work and completes. The work goes on until that link is closed; without one, until unsubscribed from. */
export function whileOpen$(work$: Observable<Link>): Observable<Link> {
  return new Observable((subscriber) => {
    let isMade = false;
    const work = work$.subscribe({
      next: (link) => {
        if (isMade) {
          link.stream.destroy();
          return;
        }
        isMade = true;
        link.stream.once('close', () => {
          work.unsubscribe();
        });
        subscriber.next(link);
        subscriber.complete();
      },
      error: (error: unknown) => {
        subscriber.error(error);
      },
      complete: () => {
        subscriber.complete();
      },
    });
    return () => {
      if (!isMade) work.unsubscribe();
    };
  });
}
