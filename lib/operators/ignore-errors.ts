import { catchError, EMPTY, type MonoTypeOperatorFunction } from 'rxjs';

/**
 * Completes when the source fails: for work that is repeated anyway.
 *
 * @example
 * timer(0, 1000).pipe(exhaustMap(() => source$.pipe(ignoreErrors()))).subscribe();
 */
export function ignoreErrors<T>(): MonoTypeOperatorFunction<T> {
  return (source) => source.pipe(catchError(() => EMPTY));
}
