import { finalize, map, of, switchMap, timer, type OperatorFunction, type SchedulerLike } from 'rxjs';

/** What is held back, and for how long. */
interface HoldBackConfig<T> {
  /** For how long a value is held back, in milliseconds; 0 for one that is not. Asked when it comes. */
  readonly ms: (value: T) => number;
  /** Takes a value that was held back, and whose place another has taken, or whom nobody waits for any more. */
  readonly discard: (value: T) => void;
  readonly scheduler: SchedulerLike;
}

/**
 * Holds a value back for a moment, in case a better one comes and takes its place (as a resolver waits a moment for the better
 * answer, RFC 8305 §3).
 *
 * @example
 * link$.pipe(holdBack({ ms: ({ direct }) => (direct ? 0 : 20), discard: ({ stream }) => stream.destroy(), scheduler }));
 */
export function holdBack<T>({ ms, discard, scheduler }: HoldBackConfig<T>): OperatorFunction<T, T> {
  return switchMap((value) => {
    const waitMs = ms(value);
    if (waitMs === 0) return of(value);
    let isHeld = true;
    return timer(waitMs, scheduler).pipe(
      map(() => {
        isHeld = false;
        return value;
      }),
      finalize(() => {
        if (isHeld) discard(value);
      }),
    );
  });
}
