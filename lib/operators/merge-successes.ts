import { Observable, throwIfEmpty } from 'rxjs';

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
  return new Observable((subscriber) => {
    const errors: unknown[] = new Array<unknown>(sources.length).fill(undefined);
    let left = sources.length;
    let hasEmitted = false;
    const end = () => {
      if (hasEmitted) subscriber.complete();
      else subscriber.error(new AggregateError(errors, 'Every try failed'));
    };
    if (left === 0) end();
    for (const [index, source] of sources.entries()) {
      const over = (error?: unknown) => {
        errors[index] = error;
        if (--left === 0) end();
      };
      subscriber.add(
        source.pipe(throwIfEmpty()).subscribe({
          next: (value) => {
            hasEmitted = true;
            subscriber.next(value);
          },
          error: over,
          complete: over,
        }),
      );
    }
  });
}
