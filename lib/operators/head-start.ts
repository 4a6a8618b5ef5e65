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

/** Joins the started sources to one Observable. */
type Join = <T>(sources: readonly Observable<T>[]) => Observable<T>;

/**
 * Tries sources in order of preference, none waiting for the failure of the one before: each next one starts `ms` after
 * the last, or as soon as that has failed (Connection Attempt Delay, RFC 8305 §5). The first to emit wins and is
 * mirrored, the others are unsubscribed from.
 *
 * @param ms the head start of each source over the next, in milliseconds: one for all, or of each its own. @param join joins the
 * sources. Default: a race.
 * @throws AggregateError with the error of each source, in their order, when all have failed.
 *
 * @example
 * headStart([dial$(ipv6), dial$(ipv4)], 250, asyncScheduler).subscribe();
 */
export function headStart<T>(
  sources: readonly Observable<T>[],
  ms: number | readonly number[],
  scheduler: SchedulerLike,
  join: Join = firstToSucceed,
): Observable<T> {
  // Most attempts have one way alone.
  if (sources.length === 1) return join(sources);
  return defer(() => {
    const failed = new ReplaySubject<number>(sources.length);
    const after$ = (index: number) => timer(typeof ms === 'number' ? ms : (ms[index] ?? 0), scheduler);
    const startOf = (index: number): Observable<number> =>
      index === 0
        ? of(0)
        : startOf(index - 1).pipe(
            switchMap(() => race(after$(index - 1), failed.pipe(filter((other) => other === index - 1)))),
            take(1),
          );
    return join(
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
