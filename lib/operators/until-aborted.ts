import { Observable, takeUntil, type MonoTypeOperatorFunction } from 'rxjs';
import { ClosedError } from '../errors.js';

/**
 * Unsubscribes from the source and fails when the signal is aborted. Without a signal it changes nothing.
 *
 * @throws ClosedError with the signal's reason as its cause.
 *
 * @example
 * net.connect$(unl).pipe(untilAborted(AbortSignal.timeout(5_000))).subscribe();
 */
export function untilAborted<T>(signal: AbortSignal | undefined): MonoTypeOperatorFunction<T> {
  return (source) => (signal === undefined ? source : source.pipe(takeUntil(aborted$(signal))));
}

function aborted$(signal: AbortSignal): Observable<never> {
  return new Observable((subscriber) => {
    const onAbort = () => {
      subscriber.error(new ClosedError('It was aborted', { cause: signal.reason }));
    };
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    return () => {
      signal.removeEventListener('abort', onAbort);
    };
  });
}
