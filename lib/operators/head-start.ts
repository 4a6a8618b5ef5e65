import {
  defer,
  filter,
  of,
  race,
  ReplaySubject,
  switchMap,
  take,
  tap,
  throwIfEmpty,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { firstToSucceed } from './first-to-succeed.js';

/**
 * Tries sources in order of preference, none waiting for the failure of the one before: each next one starts `ms` after
 * the last, or as soon as that has failed (Connection Attempt Delay, RFC 8305 §5). The first to emit wins and is
 * mirrored, the others are unsubscribed from.
 *
 * @param ms the head start of each source over the next, in milliseconds.
 * @throws AggregateError with the error of each source, in their order, when all have failed.
 *
 * @example
 * headStart([dial$(ipv6), dial$(ipv4)], 250, asyncScheduler).subscribe();
 */
export function headStart<T>(sources: readonly Observable<T>[], ms: number, scheduler: SchedulerLike): Observable<T> {
  return defer(() => {
    const failed = new ReplaySubject<number>(sources.length);
    const startOf = (index: number): Observable<number> =>
      index === 0
        ? of(0)
        : startOf(index - 1).pipe(
            switchMap(() => race(timer(ms, scheduler), failed.pipe(filter((other) => other === index - 1)))),
            take(1),
          );
    return firstToSucceed(
      sources.map((source, index) =>
        startOf(index).pipe(
          switchMap(() => source),
          throwIfEmpty(),
          tap({
            error: () => {
              failed.next(index);
            },
          }),
        ),
      ),
    );
  });
}
