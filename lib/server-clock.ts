import { defer, tap, type MonoTypeOperatorFunction, type SchedulerLike } from 'rxjs';
import type { HttpAnswer } from './http.js';

/** A `Date` says no more than the second in which the answer was written. */
const SECOND_MS = 1_000;

/** A machine's clock beside a server's, as an answer by HTTP has shown. */
export interface ClockReading {
  /** How far this machine's clock is ahead of the server's, in milliseconds; negative where it is behind. */
  readonly aheadMs: number;
  /** By how much that may be wrong, either way, in milliseconds. */
  readonly uncertainMs: number;
}

/**
 * What an answer's `Date` (RFC 9110 §6.6.1) says of this machine's clock. The answer was written at some moment of the round
 * trip: its middle is assumed, and half of it is the uncertainty. Pure.
 *
 * @param date what the server says, in milliseconds since the epoch, in whole seconds.
 * @param now the time of day when the answer had come, by this machine's clock.
 * @param roundTripMs from the question to the answer.
 *
 * @example
 * readClock(0, 600_500, 2_000); // { aheadMs: 599_000, uncertainMs: 1_500 }
 */
export function readClock(date: number, now: number, roundTripMs: number): ClockReading {
  const uncertainMs = (roundTripMs + SECOND_MS) / 2;
  return { aheadMs: now - roundTripMs / 2 - (date + SECOND_MS / 2), uncertainMs };
}

/**
 * Tells, of each answer that has a `Date`, what that says of this machine's clock. The round trip is counted from the subscription.
 *
 * @example
 * fetch$({ url, maxBytes: 1_024 }).pipe(readingClock(runtime, ({ aheadMs }) => console.log(aheadMs)));
 */
export function readingClock(
  { scheduler, timeOfDay }: { readonly scheduler: SchedulerLike; readonly timeOfDay: () => number },
  tell: (reading: ClockReading) => void,
): MonoTypeOperatorFunction<HttpAnswer> {
  return (answer$) =>
    defer(() => {
      const start = scheduler.now();
      return answer$.pipe(
        tap(({ date }) => {
          if (date !== undefined) tell(readClock(date, timeOfDay(), scheduler.now() - start));
        }),
      );
    });
}
