import { map, startWith, switchMap, takeUntil, timer, type Observable, type SchedulerLike } from 'rxjs';

/** A server that has not said anything for this long is asked for a sign of life; NATs are known to forget a quiet mapping in 60 s. */
const PING_MS = 20_000;

/** A server that gives none for this long is gone: far more than any round trip. */
const PONG_MS = 10_000;

/**
 * Asks a silent server for a sign of life, and fails when it gives none. Emits nothing.
 *
 * @param line$ what the server says.
 * @param ask asks it.
 * @param errorOf makes the error.
 *
 * @example
 * const line$ = source$.pipe(map(String));
 * keepAlive$(line$, () => socket.write('PING\r\n'), (words) => new Error(`The server ${words}`), asyncScheduler);
 */
export function keepAlive$(
  line$: Observable<unknown>,
  ask: () => void,
  errorOf: (words: string) => Error,
  scheduler: SchedulerLike,
): Observable<never> {
  return line$.pipe(
    startWith(undefined),
    switchMap(() => timer(PING_MS, scheduler)),
    switchMap(() => {
      ask();
      return timer(PONG_MS, scheduler).pipe(takeUntil(line$));
    }),
    map(() => {
      throw errorOf(`has said nothing for ${PING_MS + PONG_MS} ms`);
    }),
  );
}
