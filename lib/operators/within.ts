import { throwError, timeout, type MonoTypeOperatorFunction, type SchedulerLike } from 'rxjs';
import { TimeoutError } from '../errors.js';

/**
 * Fails when the source has not emitted within a time.
 *
 * @param ms the time, in milliseconds.
 * @param late what the source did not do, such as "192.0.2.1:80 did not answer"; or what makes an error of its own.
 * @throws TimeoutError "… within 5000 ms", or the error that `late` makes.
 *
 * @example
 * dial$(server).pipe(within(5_000, `${formatServer(server)} did not answer`, asyncScheduler));
 */
export function within<T>(
  ms: number,
  late: string | (() => Error),
  scheduler: SchedulerLike,
): MonoTypeOperatorFunction<T> {
  const errorOf = typeof late === 'string' ? () => new TimeoutError(`${late} within ${ms} ms`) : late;
  return timeout({ first: ms, scheduler, with: () => throwError(() => errorOf()) });
}
