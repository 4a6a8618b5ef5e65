import { throwError, timeout, type MonoTypeOperatorFunction, type SchedulerLike } from 'rxjs';
import { TimeoutError } from '../errors.js';

/**
 * Fails when the source has not emitted within a time.
 *
 * @param ms the time, in milliseconds.
 * @param words what the source did not do, such as "192.0.2.1:80 did not answer".
 * @throws TimeoutError "… within 5000 ms"
 *
 * @example
 * dial$(endpoint).pipe(within(5000, `${formatEndpoint(endpoint)} did not answer`, asyncScheduler));
 */
export function within<T>(ms: number, words: string, scheduler: SchedulerLike): MonoTypeOperatorFunction<T> {
  return timeout({ first: ms, scheduler, with: () => throwError(() => new TimeoutError(`${words} within ${ms} ms`)) });
}
