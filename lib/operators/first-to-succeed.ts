import { catchError, defer, NEVER, race, tap, throwIfEmpty, type Observable } from 'rxjs';

/**
 * Like RxJS's `race`, but a source that fails does not end the race: the first to emit wins and is mirrored, the others
 * are unsubscribed from. Fails only when all have failed.
 *
 * @throws AggregateError with the error of each source, in the order of the sources. A source that completes without
 * emitting has failed with RxJS's EmptyError. No sources at all is a failure, too.
 *
 * @example
 * firstToSucceed([throwError(() => new Error('a')), timer(10)]).subscribe(console.log); // 0
 */
export function firstToSucceed<T>(sources: readonly Observable<T>[]): Observable<T> {
  return defer(() => {
    const errors: unknown[] = new Array<unknown>(sources.length).fill(undefined);
    let left = sources.length;
    let hasWinner = false;
    if (left === 0) throw new AggregateError(errors, 'There was nothing to try');
    return race(
      sources.map((source, index) =>
        source.pipe(
          throwIfEmpty(),
          tap(() => {
            hasWinner = true;
          }),
          catchError((error: unknown) => {
            if (hasWinner) throw error;
            errors[index] = error;
            // Only the last failure ends the result. To `race`, a source that failed earlier looks like one that never emits.
            if (--left === 0) throw new AggregateError(errors, 'Every try failed');
            return NEVER;
          }),
        ),
      ),
    );
  });
}
