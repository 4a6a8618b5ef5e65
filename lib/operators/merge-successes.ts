import { catchError, defer, EMPTY, merge, throwIfEmpty, type Observable } from 'rxjs';

/**
 * Like RxJS's `merge`, but a source that fails does not end the others. Fails only when all have ended and none has emitted.
 *
 * @throws AggregateError with the error of each source, in the order of the sources. A source that completes without emitting
 * has failed with RxJS's EmptyError.
 *
 * @example
 * mergeSuccesses([throwError(() => new Error('a')), of(1), of(2)]).subscribe(console.log); // 1, 2
 */
export function mergeSuccesses<T>(sources: readonly Observable<T>[]): Observable<T> {
  return defer(() => {
    const errors: unknown[] = new Array<unknown>(sources.length).fill(undefined);
    const successes = sources.map((source, index) =>
      source.pipe(
        throwIfEmpty(),
        catchError((error: unknown) => {
          errors[index] = error;
          return EMPTY;
        }),
      ),
    );
    return merge(...successes).pipe(throwIfEmpty(() => new AggregateError(errors, 'Every try failed')));
  });
}
