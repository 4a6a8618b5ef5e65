import {
  catchError,
  defer,
  EMPTY,
  ignoreElements,
  map,
  merge,
  mergeMap,
  NEVER,
  switchMap,
  take,
  takeUntil,
  tap,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Endpoint } from '../endpoint.js';
import { DialError, TimeoutError } from '../errors.js';
import type { PeerId } from '../identity.js';
import type { Link } from '../link/link.js';
import { headStart } from '../operators/head-start.js';
import type { ReceivedSignal, Signal, Signalling } from '../signalling/signalling.js';
import { formatUnl, parseUnl } from '../unl.js';
import { hearsayOf } from '../unl/dialable.js';
import { endpointsIn } from '../unl/near.js';
import type { Unl, UnlV3 } from '../unl/types.js';
import { isAttemptId } from '../validate.js';
import { oneLine } from '../words.js';
import { Answering, NOT_NOW, refuse$, type Welcoming } from './answering.js';
import { asks$ } from './asks.js';
import { bestFirst, candidatesOf } from './direct.js';
import type { Technique } from './technique.js';

// What two nodes say to each other, as signals:
//
//   dial-back          { attempt, unl }       dial me: this is where I am
//   dial-back-refusal  { attempt, reason }    no, or not possible
//   attempt-over       { attempt }            no more: see asks.ts
//
// The answer to the first is the link itself, whose hello names the attempt.

/** The peer tries its dials one after the other: so many times as long as one may take. */
const PATIENCE = 2;

/** Dials that others ask for, at once: of those at one address, a few behind one NAT. */
const ANSWERED = { most: 32, mostOfHost: 4 };

/** What a node gives to the dials that others ask for. */
export interface Reversing extends Welcoming {
  /** This node's own locator as it is now. */
  readonly own: () => Unl;
  /** Whether one of this machine's interfaces is on the same network as an address, so that nobody is in between. */
  readonly isOnLink: (address: string) => boolean;
  /** Opens a link to a peer at an endpoint, its key proven, for its attempt. */
  readonly dial$: (endpoint: Endpoint, peerId: PeerId, attemptId: string) => Observable<Link>;
  /** Emits when a peer gets a direct link, whoever made it and how. */
  readonly satisfied$: (peerId: PeerId) => Observable<unknown>;
  /** Takes the link that came of it. */
  readonly adopt: (link: Link, attemptId: string) => void;
  readonly staggerMs: number;
  readonly scheduler: SchedulerLike;
}

/**
 * Asks the peer to dial this node, which can be dialled, where the peer cannot: PyP2P's reverse connect. The link that comes
 * names the attempt, and proves the peer's key as any other does. A peer that is away gets the question when it comes back,
 * for as long as the technique may take.
 */
export const reverseConnect: Technique = {
  name: 'reverse-connect',
  isMutual: true,
  dial: (attempt$) =>
    attempt$.pipe(
      switchMap(({ id, own, peer, signalling, expect$, timing, scheduler }) => {
        if (peer.version !== 3 || own.version !== 3) throw new DialError('The UNL has no key to send a signal to');
        if (own.nodeType !== 'passive') throw new DialError('Others cannot dial this node, so the peer need not try');
        if (candidatesOf(peer, own).length === 0)
          throw new DialError('This node has no endpoint that the peer could dial from where it is');
        const refused$ = signalling.signal$.pipe(
          mergeMap((signal) => {
            const refusal = readRefusal(signal);
            if (signal.from !== peer.peerId || refusal?.attempt !== id) return EMPTY;
            throw new DialError(`The peer does not dial back: ${refusal.reason}`);
          }),
        );
        // A peer that has the question dials at once; one that does not have it yet may come for it later.
        const late$ = timer(PATIENCE * timing.dialMs, scheduler).pipe(
          map(() => {
            throw new TimeoutError(`The peer did not dial back within ${PATIENCE * timing.dialMs} ms`);
          }),
        );
        const asked$ = signalling
          .send$(peer.peerId, dialBackSignal(id, own), { keepMs: timing.techniqueMs, isEverywhere: true })
          .pipe(
            switchMap((delivery) => {
              if (delivery === 'absent')
                throw new DialError(
                  'None of our signals get to the peer: it is at no rendezvous server of ours, and nobody keeps them',
                );
              return delivery === 'delivered' ? late$ : EMPTY;
            }),
          );
        // What comes ends the attempt as a connection does that arrives by itself.
        return merge(expect$(reverseConnect.name), refused$, asked$, NEVER);
      }),
    ),
};

/**
 * Dials peers that ask for it, many at once. Only where they are seen to be, or on this machine's own network when they are
 * seen behind the same address as this node; so that nobody can turn it on a third party. Never emits, never fails.
 */
export function answerDialBacks$(signalling: Signalling, reversing: Reversing): Observable<never> {
  const answering = new Answering(ANSWERED);
  return asks$(signalling, readDialBack, () => reversing.scheduler.now()).pipe(
    mergeMap(({ signal, ask, takenBack$ }) => {
      const { from, seenAt } = signal;
      const refused$ = defer(() => refuse$(signalling, reversing, from, refusalSignal(ask.attempt, NOT_NOW)));
      if (!answering.hasRoom(seenAt) || !reversing.welcomes(from, seenAt)) return refused$;
      // Another technique may have connected them meanwhile.
      const over$ = merge(takenBack$, reversing.satisfied$(from));
      return answering.count$(seenAt, answer$(signalling, reversing, signal, ask).pipe(takeUntil(over$)), refused$);
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
  if (endpoints.length === 0) return refused$('you are seen at none of the endpoints that you name');
  const dials = endpoints.map((endpoint) => reversing.dial$(endpoint, signal.from, attempt));
  return headStart(dials, staggerMs, scheduler).pipe(
    take(1),
    tap((link) => {
      reversing.adopt(link, attempt);
    }),
    // No details: they would tell strangers what there is at an address.
    catchError(() => refused$('none of your endpoints answered')),
  );
}

/** Where a peer that asks may be dialled: where {@link mayDialHearsay} lets this node. */
function endpointsFor(unl: UnlV3, { seenAt }: ReceivedSignal, { own, isOnLink }: Reversing): readonly Endpoint[] {
  const self = own();
  return bestFirst(self, hearsayOf(unl, [{ at: seenAt }], { own: endpointsIn(self), isOnLink }).endpoints);
}

/** Writes the question. */
export function dialBackSignal(attempt: string, own: UnlV3): Signal {
  return { kind: 'dial-back', body: { attempt, unl: formatUnl(own) } };
}

/** What a peer asks for. */
interface DialBack {
  readonly attempt: string;
  readonly unl: UnlV3;
}

/** Reads the question: `undefined` for any other signal, for one that is malformed, and for the locator of somebody else. */
export function readDialBack({ kind, body, from }: ReceivedSignal): DialBack | undefined {
  const { attempt, unl: text } = body;
  if (kind !== 'dial-back' || !isAttemptId(attempt) || typeof text !== 'string') return undefined;
  try {
    const unl = parseUnl(text);
    return unl.version === 3 && unl.peerId === from ? { attempt, unl } : undefined;
  } catch {
    return undefined;
  }
}

function refusalSignal(attempt: string, reason: string): Signal {
  return { kind: 'dial-back-refusal', body: { attempt, reason } };
}

function readRefusal({ kind, body }: Signal): { readonly attempt: string; readonly reason: string } | undefined {
  const { attempt, reason } = body;
  if (kind !== 'dial-back-refusal' || !isAttemptId(attempt) || typeof reason !== 'string') return undefined;
  return { attempt, reason: oneLine(reason) };
}
