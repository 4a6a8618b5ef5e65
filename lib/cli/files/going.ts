import { catchError, concat, defer, EMPTY, of, retry, switchMap, takeWhile, tap, timer, type Observable } from 'rxjs';
import type { Channel, Connection } from '../../connection/connection.js';
import { ClosedError, ConnectError, FilesError, InvalidUnlError, reasonOf, type FilesFailure } from '../../errors.js';
import type { FilesStep } from '../../files/interface.js';
import { backoffMs } from '../../operators/backoff.js';
import { reportFailure } from '../dialler.js';
import { AGAIN_MS } from '../kept-up.js';
import type { Display } from './display.js';
import { showWay } from './ways.js';

/** A peer that was reached is looked for again for so long, in milliseconds: as long as a router takes to restart, and a person to notice. */
const PATIENCE_MS = 600_000;

/** A side of a transfer on a channel. */
export type Side = (channel: Channel) => Observable<FilesStep>;

/** Carries out a transfer with a peer that is dialled, and dials it again when the connection is lost in the middle. */
export function dialled$(
  connect$: Observable<Connection>,
  channel: string,
  side: Side,
  display: Display,
): Observable<FilesStep> {
  return defer(() => {
    let lostAt: number | undefined;
    let tries = 0;
    return connect$.pipe(
      switchMap((connection) => {
        showWay(connection, display);
        return side(connection.openChannel(channel));
      }),
      tap((step) => {
        if (step.type !== 'started') return;
        tries = 0;
        lostAt = Infinity;
      }),
      retry({
        delay: (error: unknown) => {
          const isGone = error instanceof ClosedError || error instanceof ConnectError;
          // It was there before.
          if (!isGone || lostAt === undefined) throw error;
          if (lostAt === Infinity) {
            lostAt = performance.now();
            display.report(
              'lost',
              { reason: reasonOf(error) },
              `${reasonOf(error)}; looking for the peer again, for up to ten minutes`,
            );
          }
          if (performance.now() - lostAt > PATIENCE_MS) throw error;
          display.restart();
          display.phase('looking for the peer again');
          return timer(backoffMs(++tries, AGAIN_MS.first, AGAIN_MS.most, Math.random));
        },
      }),
    );
  });
}

/** A transfer is over, and was not broken off. */
const WHOLE = 'whole';

/**
 * Carries out a transfer with a peer that comes. The one that comes last is the one: it has begun anew, and its connection before may take
 * long to be found dead.
 *
 * @param again what is waited for when the connection was lost.
 * @param final the failures after which nobody comes again.
 */
export function served$(
  channel$: Observable<Channel>,
  side: Side,
  display: Display,
  again: string,
  final: readonly FilesFailure[],
): Observable<FilesStep> {
  return channel$.pipe(
    switchMap((channel) => {
      showWay(channel.connection, display);
      // Not before the side itself is at its end, when its last word has arrived.
      return concat(side(channel), of(WHOLE)).pipe(
        catchError((error: unknown) => {
          if (error instanceof FilesError && final.includes(error.reason)) throw error;
          display.restart();
          display.report('lost', { reason: reasonOf(error) }, `${reasonOf(error)}; ${again}`);
          display.phase(again);
          return EMPTY;
        }),
      );
    }),
    takeWhile((step): step is FilesStep => step !== WHOLE),
  );
}

/** What is called when nothing has failed. */
export type OnWhole = (done: Extract<FilesStep, { readonly type: 'done' }>) => void;

/** Shows the steps of a transfer; calls `onWhole` when nothing has failed. Never fails. */
export function shown$(step$: Observable<FilesStep>, display: Display, onWhole: OnWhole): Observable<FilesStep> {
  return step$.pipe(
    tap((step) => {
      display.step(step);
      if (step.type === 'done' && step.failed === 0) onWhole(step);
    }),
    catchError((error: unknown) => {
      if (error instanceof InvalidUnlError) throw error;
      reportFailure(error, display.report);
      return EMPTY;
    }),
  );
}
