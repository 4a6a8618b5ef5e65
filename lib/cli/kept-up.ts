import {
  catchError,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  repeat,
  switchMap,
  take,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import type { Connection } from '../connection/connection.js';
import { ClosedError } from '../errors.js';
import type { Net } from '../net/interface.js';
import { backoffMs } from '../operators/backoff.js';

/** The pauses between tries to connect again, in milliseconds. */
export const AGAIN_MS = { first: 1_000, most: 30_000 };

/** Emits a connection once the peer holds it, too; fails when it is refused. */
export function held$(
  { connections$ }: Pick<Net, 'connections$'>,
  { peerId, closed$ }: Connection,
): Observable<Connection> {
  const refused$ = closed$.pipe(
    map(({ message }) => {
      throw new ClosedError(message);
    }),
  );
  return merge(connections$.pipe(filter((connection) => connection.peerId === peerId)), refused$).pipe(take(1));
}

/** How to connect again. */
export interface KeptUpConfig {
  /** Cold: emits a connection that both sides hold. */
  readonly connect$: Observable<Pick<Connection, 'closed$'>>;
  /** A try has failed. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Connects again, and again, when a connection has ended: at once, and then with pauses that grow with each failure in a row. Never emits, and never
 * fails.
 */
export function keptUp$(
  first: Pick<Connection, 'closed$'>,
  { connect$, onFailure }: KeptUpConfig,
  random: () => number = Math.random,
): Observable<never> {
  return defer(() => {
    let failures = 0;
    const once$ = connect$.pipe(
      tap(() => {
        failures = 0;
      }),
      switchMap(({ closed$ }) => closed$),
      catchError((error: unknown) => {
        onFailure(error);
        return EMPTY;
      }),
    );
    const pause$ = () => timer(backoffMs(++failures, AGAIN_MS.first, AGAIN_MS.most, random));
    return first.closed$.pipe(
      switchMap(() => once$.pipe(repeat({ delay: pause$ }))),
      ignoreElements(),
    );
  });
}
