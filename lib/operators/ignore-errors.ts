import { catchError, EMPTY, type MonoTypeOperatorFunction } from 'rxjs';

/**
 * Completes where the source fails: for what is tried again anyway.
 *
 * @example
 * timer(0, 1000).pipe(exhaustMap(() => source$.pipe(ignoreErrors()))).subscribe();
 */
export function ignoreErrors<T>(): MonoTypeOperatorFunction<T> {
  return (source) => source.pipe(catchError(() => EMPTY));
}
