import { finalize, map, of, switchMap, timer, type OperatorFunction, type SchedulerLike } from 'rxjs';

/** What is held back, and for how long. */
interface HoldBackConfig<T> {
  /** How long a value is held back, in milliseconds; 0: not at all. Called when the value comes. */
  readonly ms: (value: T) => number;
  /** Called with a held value that another value replaced, or that was held when the result was unsubscribed from. */
  readonly discard: (value: T) => void;
  readonly scheduler: SchedulerLike;
}

/**
 * Delays a value for a moment; a better value that comes meanwhile replaces it (as RFC 8305 §3 has a resolver wait for the better
 * answer).
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
