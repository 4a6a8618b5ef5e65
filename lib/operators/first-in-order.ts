import { catchError, concat, defer, EMPTY, tap, throwIfEmpty, type Observable } from 'rxjs';

/**
 * Tries some sources one after the other until one emits, and mirrors that one: the next is subscribed to when the one before it has
 * failed, or completed without a value.
 *
 * @throws what the first to fail has thrown when none emits, or EmptyError when none has failed either; what the one that
 * is mirrored throws.
 *
 * @example
 * firstInOrder([throwError(() => new Error('a')), of(1), of(2)]).subscribe(console.log); // 1
 */
export function firstInOrder<T>(sources: readonly Observable<T>[]): Observable<T> {
  return defer(() => {
    const failures: unknown[] = [];
    let hasEmitted = false;
    const tries = sources.map((source) =>
      defer(() => (hasEmitted ? EMPTY : source)).pipe(
        tap(() => {
          hasEmitted = true;
        }),
        catchError((error: unknown) => {
          if (hasEmitted) throw error;
          failures.push(error);
          return EMPTY;
        }),
      ),
    );
    return concat(...tries).pipe(
      throwIfEmpty(),
      catchError((error: unknown) => {
        throw hasEmitted || failures.length === 0 ? error : failures[0];
      }),
    );
  });
}
