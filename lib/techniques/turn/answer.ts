import { catchError, EMPTY, ignoreElements, merge, switchMap, take, tap, type Observable } from 'rxjs';
import { ignoreErrors } from '../../operators/ignore-errors.js';
import { within } from '../../operators/within.js';
import { refuse$ } from '../../peers/guests.js';
import { isSeenFromOutside, type ReceivedSignal, type Signalling } from '../../signalling/signalling.js';
import { answerMeetings$ } from '../meetings.js';
import type { TurnContext } from './context.js';
import {
  addressesOf,
  admit$,
  allocateAtAny$,
  COME_MS,
  comeTo$,
  familyFor,
  linkAt$,
  mayComeTo,
  whileOpen$,
} from './meeting.js';
import { readAsk, replySignal, type TurnMeeting, type TurnReply } from './messages.js';

/** Meetings at TURN servers for others at the same time: 32, of which 4 for one address. Each is an allocation or a dial. */
const ANSWERED = { most: 32, mostOfHost: 4 };

/**
 * Answers requests to meet at a TURN server: many peers at once, each peer once at a time. Dials where the peer's server listens,
 * within the limits of {@link mayComeTo}, or has a server of its own listen for the peer. Where no carrier shows it where the peer is, it does
 * both, since its server sees that. Never emits, never fails.
 */
export function answerTurns$(signalling: Signalling, context: TurnContext): Observable<never> {
  return answerMeetings$(signalling, context, {
    limits: ANSWERED,
    read: readAsk,
    nameOf: ({ attempt }) => attempt,
    refusal,
    answer$: (signal, ask) =>
      answer$(signalling, context, signal, ask).pipe(
        // Without details, which strangers must not learn.
        catchError(() =>
          refuse$(signalling, context, signal.from, refusal(ask, 'the two do not meet at this TURN server')),
        ),
      ),
  });
}

function answer$(
  signalling: Signalling,
  context: TurnContext,
  signal: ReceivedSignal,
  ask: TurnMeeting,
): Observable<unknown> {
  const { from, seenAt } = signal;
  const say$ = (reply: TurnReply) => signalling.send$(from, replySignal(reply)).pipe(ignoreErrors(), ignoreElements());
  const own = { attempt: ask.attempt, from: addressesOf(context.own()), at: undefined };
  const { at } = ask;
  const addresses = seenAt === undefined ? ask.from : [seenAt, ...ask.from];
  /** Has a server of this node's listen for the peer, and asks the peer there. */
  const comes$ = () =>
    allocateAtAny$(context, familyFor(own.from, addresses)).pipe(
      switchMap((allocation) =>
        merge(
          linkAt$(allocation, context, 'server', from),
          admit$(allocation, addresses).pipe(switchMap(() => say$({ ...own, at: allocation.relayed }))),
        ),
      ),
    );
  /** Looks where the peer is, which nobody has told, so that it may be punched, or dialled back. Never emits, never fails. */
  const seen$ = () =>
    context.servers.length === 0
      ? EMPTY
      : comes$().pipe(
          within(COME_MS, 'The peer did not come', context.scheduler),
          take(1),
          tap(({ stream }) => stream.destroy()),
          ignoreElements(),
          ignoreErrors(),
        );
  if (at !== undefined) {
    if (!mayComeTo(at, context))
      return refuse$(signalling, context, from, refusal(ask, 'this node does not dial the endpoint that you name'));
    const met$ = comeTo$(at, context, 'server', from).pipe(
      switchMap((link) => context.receive$(link)),
      within(COME_MS, 'The peer was not there', context.scheduler),
      take(1),
    );
    return merge(say$(own), met$, isSeenFromOutside(signal) ? EMPTY : seen$());
  }
  if (context.servers.length === 0)
    return refuse$(signalling, context, from, refusal(ask, 'this node has no TURN server'));
  return whileOpen$(comes$()).pipe(
    within(COME_MS, 'The peer did not come', context.scheduler),
    switchMap((link) => context.receive$(link)),
    take(1),
  );
}

function refusal({ attempt }: TurnMeeting, words: string) {
  return replySignal({ attempt, refusal: words });
}
