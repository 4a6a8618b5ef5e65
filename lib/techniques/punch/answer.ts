import {
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  merge,
  mergeMap,
  share,
  switchMap,
  take,
  takeUntil,
  throwIfEmpty,
  type Observable,
} from 'rxjs';
import { familyOf } from '../../endpoint.js';
import { DialError, reasonOf } from '../../errors.js';
import { type PunchSide } from './plan.js';
import type { ReceivedSignal, Signalling } from '../../signalling/signalling.js';
import { AnswerRoom, LaterError, NOT_NOW, refuse$ } from '../../peers/guests.js';
import { asks$ } from '../asks.js';
import { answerSignal, readAsk, type PunchAsk } from './messages.js';
import type { PunchContext } from './context.js';
import { MISCOUNTED, expectWhereSeen, open$ } from './round.js';

/** Punches for others at the same time: 32, of which 16 for one address. A punch takes a few sockets, a birthday plan thousands. */
const ANSWERED = { most: 32, mostOfHost: 16 };

/**
 * Answers requests to punch, and punches: with many peers at once, but with each peer one punch at a time. A failure with one
 * peer does not affect the others. Never emits, never fails.
 */
export function answerPunches$(signalling: Signalling, context: PunchContext): Observable<never> {
  const answering = new AnswerRoom(ANSWERED);
  const ask$ = asks$(signalling, readAsk, () => context.scheduler.now()).pipe(share());
  return ask$.pipe(
    mergeMap(({ signal, ask, withdrawn$ }) => {
      const { from } = signal;
      const { attempt, round } = ask;
      const refused$ = defer(() =>
        refuse$(signalling, context, from, answerSignal({ attempt, round, refusal: NOT_NOW })),
      );
      if (!answering.hasRoom(signal) || !context.admits(signal)) return refused$;
      const askedAnew$ = ask$.pipe(filter((other) => other.signal.from === from));
      // Another technique may have connected them meanwhile, or this node itself.
      const over$ = merge(askedAnew$, withdrawn$, context.satisfied$(from));
      const work$ = answerRound$(signalling, context, signal, ask).pipe(takeUntil(over$));
      return answering.count$(signal, work$, refused$);
    }),
    ignoreElements(),
  );
}

/** Answers one ask. Never fails. */
function answerRound$(
  signalling: Signalling,
  context: PunchContext,
  signal: ReceivedSignal,
  { attempt, round, side, roundTripMs, mayGuess }: PunchAsk,
): Observable<unknown> {
  const peerId = signal.from;
  const told = { attemptId: attempt, peerId, round, by: 'peer' } as const;
  const answer$ = (rest: { readonly side: PunchSide } | { readonly refusal: string }) =>
    signalling
      .send$(peerId, answerSignal({ attempt, round, ...rest }), {
        family: familyOf(side.address),
        isEverywhere: round > 0,
      })
      .pipe(ignoreElements());
  // The time that the answer takes to the server and on to the peer, which sends its SYNs when it arrives.
  const delayMs = (context.roundTripMs(familyOf(side.address)) + roundTripMs) / 2;
  let isAgreed = false;
  return defer(() => {
    // Before anything is looked at for it.
    expectWhereSeen(side, signal, context);
    return context.side$(familyOf(side.address), [side.address], { by: 'peer', mayGuess });
  }).pipe(
    switchMap((own, index) => {
      if (index > 0) {
        context.tell({ ...told, step: 'refused', reason: MISCOUNTED });
        return concat(answer$({ refusal: MISCOUNTED }), EMPTY.pipe(throwIfEmpty(() => new DialError(MISCOUNTED))));
      }
      const opened$ = open$(context, told, own, side, { delayMs, isPaced: !mayGuess }, (socket) =>
        context.secure$(socket, 'server', peerId).pipe(switchMap((link) => context.receive$(link))),
      );
      isAgreed = true;
      return merge(answer$({ side: own }), opened$);
    }),
    take(1),
    catchError((error: unknown) => {
      if (isAgreed) return EMPTY;
      const refusal = error instanceof LaterError ? NOT_NOW : reasonOf(error);
      context.tell({ ...told, step: 'refused', reason: refusal });
      return answer$({ refusal });
    }),
    catchError(() => EMPTY),
  );
}
