import {
  defer,
  filter,
  ignoreElements,
  merge,
  mergeMap,
  share,
  takeUntil,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { Seen } from '../bounds/seen.js';
import { AnswerRoom, NOT_NOW, refuse$, type AnswerLimits, type Guests } from '../peers/guests.js';
import type { ReceivedSignal, Signal, Signalling } from '../signalling/signalling.js';
import { asks$ } from './asks.js';

/** Requests that have been answered. Each may come again by another carrier, as late as a carrier keeps it. */
const REMEMBERED = { forMs: 120_000, maxEntries: 1_000 };

/** How a technique answers requests to meet at a server. */
interface MeetingConfig<A> {
  /** How many at the same time. */
  readonly limits: AnswerLimits;
  /** Reads a request: `undefined` for any other signal. */
  readonly read: (signal: ReceivedSignal) => A | undefined;
  /** What is the same each time that a request comes. */
  readonly nameOf: (ask: A) => string;
  /** The signal that refuses a request. */
  readonly refusal: (ask: A, why: string) => Signal;
  /** Answers one request. Never fails. */
  readonly answer$: (signal: ReceivedSignal, ask: A) => Observable<unknown>;
}

/**
 * Answers requests to meet at a server: many peers at once, each peer once at a time, each request once. Never emits, never fails.
 */
export function answerMeetings$<A extends { readonly attempt: string }>(
  signalling: Signalling,
  context: Guests & { readonly scheduler: SchedulerLike },
  { limits, read, nameOf, refusal, answer$ }: MeetingConfig<A>,
): Observable<never> {
  return defer(() => {
    const now = () => context.scheduler.now();
    const answering = new AnswerRoom(limits);
    const seen = new Seen({ now, ...REMEMBERED });
    const named = (signal: ReceivedSignal, ask: A) => `${signal.from} ${nameOf(ask)}`;
    const ask$ = asks$(signalling, read, now).pipe(
      filter(({ signal, ask }) => !seen.has(named(signal, ask))),
      share(),
    );
    return ask$.pipe(
      mergeMap(({ signal, ask, withdrawn$ }) => {
        const { from } = signal;
        const refused$ = defer(() => refuse$(signalling, context, from, refusal(ask, NOT_NOW)));
        if (!answering.hasRoom(signal) || !context.admits(signal)) return refused$;
        seen.add(named(signal, ask));
        const askedAnew$ = ask$.pipe(filter((other) => other.signal.from === from));
        // Goes on when another technique has connected the two: lines may already be on their way.
        const answered$ = answer$(signal, ask).pipe(takeUntil(merge(askedAnew$, withdrawn$)));
        return answering.count$(signal, answered$, refused$);
      }),
      ignoreElements(),
    );
  });
}
