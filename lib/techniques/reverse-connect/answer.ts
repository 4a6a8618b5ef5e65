import {
  catchError,
  defer,
  ignoreElements,
  merge,
  mergeMap,
  take,
  takeUntil,
  tap,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Endpoint } from '../../endpoint.js';
import type { PeerId } from '../../identity.js';
import type { Link } from '../../link/link.js';
import { headStart } from '../../operators/head-start.js';
import { isSeenFromOutside, type ReceivedSignal, type Signalling } from '../../signalling/signalling.js';
import { hearsayOf } from '../../unl/dialable.js';
import { endpointsIn } from '../../unl/near.js';
import type { Unl, UnlV3 } from '../../unl/types.js';
import { AnswerRoom, NOT_NOW, refuse$, type Guests } from '../../peers/guests.js';
import { asks$ } from '../asks.js';
import { bestFirst } from '../direct.js';
import { type DialBack, readDialBack, refusalSignal } from './messages.js';

/** Dials made for others at the same time: 32, of which 4 for one address (a few peers behind one NAT). */
const ANSWERED = { most: 32, mostOfHost: 4 };

/** What dials on request use of their node. */
export interface Reversing extends Guests {
  /** This node's own locator as it is now. */
  readonly own: () => Unl;
  /** Whether one of this machine's interfaces is on the same network as an address, so that nobody is in between. */
  readonly isOnLink: (address: string) => boolean;
  /** Whether this node may come to see a peer that no carrier of signals sees. */
  readonly looksForItself: boolean;
  /** Opens a link to a peer at an endpoint, its key proven, for its attempt. */
  readonly dial$: (endpoint: Endpoint, peerId: PeerId, attemptId: string) => Observable<Link>;
  /** Emits when a peer gets a direct link, whoever made it and how. */
  readonly satisfied$: (peerId: PeerId) => Observable<unknown>;
  /** Takes over the link. */
  readonly adopt: (link: Link, attemptId: string) => void;
  readonly staggerMs: number;
  readonly scheduler: SchedulerLike;
}

/**
 * Dials peers that ask to be dialled, many at once. Dials only addresses at which a peer is seen, or on this machine's own
 * network when the peer is seen behind the same address as this node, so that nobody can make it dial a third party. Never emits,
 * never fails.
 */
export function answerDialBacks$(signalling: Signalling, reversing: Reversing): Observable<never> {
  const answering = new AnswerRoom(ANSWERED);
  return asks$(signalling, readDialBack, () => reversing.scheduler.now()).pipe(
    mergeMap(({ signal, ask, withdrawn$ }) => {
      const { from } = signal;
      const refused$ = defer(() => refuse$(signalling, reversing, from, refusalSignal(ask.attempt, NOT_NOW)));
      if (!answering.hasRoom(signal) || !reversing.admits(signal)) return refused$;
      // Another technique may have connected them meanwhile.
      const over$ = merge(withdrawn$, reversing.satisfied$(from));
      return answering.count$(signal, answer$(signalling, reversing, signal, ask).pipe(takeUntil(over$)), refused$);
    }),
    ignoreElements(),
  );
}

/** Answers one peer. Never fails. */
function answer$(
  signalling: Signalling,
  reversing: Reversing,
  signal: ReceivedSignal,
  { attempt, unl }: DialBack,
): Observable<unknown> {
  const { staggerMs, scheduler } = reversing;
  const refused$ = (reason: string) => refuse$(signalling, reversing, signal.from, refusalSignal(attempt, reason));
  const endpoints = endpointsFor(unl, signal, reversing);
  if (endpoints.length === 0) {
    const isLater = !isSeenFromOutside(signal) && reversing.looksForItself;
    return refused$(isLater ? NOT_NOW : 'you are seen at none of the endpoints that you name');
  }
  const dials = endpoints.map((endpoint) => reversing.dial$(endpoint, signal.from, attempt));
  return headStart(dials, staggerMs, scheduler).pipe(
    take(1),
    tap((link) => {
      reversing.adopt(link, attempt);
    }),
    // Without details: strangers must not learn what answers at an address.
    catchError(() => refused$('none of your endpoints answered')),
  );
}

/** Where a peer that asks may be dialled: where {@link mayDialHearsay} lets this node. */
function endpointsFor(
  unl: UnlV3,
  { seenAt, seenBy }: ReceivedSignal,
  { own, isOnLink }: Reversing,
): readonly Endpoint[] {
  const self = own();
  return bestFirst(self, hearsayOf(unl, [{ at: seenAt, by: seenBy }], { own: endpointsIn(self), isOnLink }).endpoints);
}
