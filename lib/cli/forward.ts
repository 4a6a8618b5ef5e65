import {
  catchError,
  concatMap,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  repeat,
  switchMap,
  take,
  timer,
  type Observable,
} from 'rxjs';
import { tokenBucket } from '../bounds/rate-limit.js';
import type { Connection } from '../connection/connection.js';
import { formatEndpoint } from '../endpoint.js';
import { ClosedError, InvalidUnlError } from '../errors.js';
import { forwardPort$ } from '../forward/forward-port.js';
import type { Net } from '../net/interface.js';
import { backoffMs } from '../operators/backoff.js';
import { diallerOf, reportFailure, type Dialler, type DialOptions } from './dialler.js';
import { reporter, type Report } from './report.js';
import { print } from './stdout.js';
import { channelNameOf } from './targets.js';
import { runUntilInterrupted } from './terminal.js';

/** The options of `rxp2p forward`. */
export interface ForwardOptions extends DialOptions {
  /** The name or the number of a service that the peer exposes. */
  readonly target: string;
  /** The local port that leads there; the node itself listens on one that the system chooses. */
  readonly port: number;
  /** The local address. */
  readonly host: string;
}

/** Failures that are told a second: a browser tries again, and again. */
const FAILURES = { perSecond: 5, burst: 50 };

/** The pauses between tries to connect again, in milliseconds: a client that comes meanwhile makes a try of its own. */
const AGAIN_MS = { first: 1_000, most: 30_000 };

/** `rxp2p forward`: a local port that leads to a TCP service at a peer. */
export async function forward(unl: string, options: ForwardOptions): Promise<void> {
  const { target, port, host, json } = options;
  const report = reporter(json);
  const dialler = diallerOf(unl, options, report);
  const { net, peerId } = dialler;
  const mayTell = tokenBucket({ ...FAILURES, now: Date.now });

  let status = 1;
  const forwarded$ = forwardPort$(net, unl, { name: channelNameOf(target), host, port, connect: dialler.options });
  const told$ = forwarded$.pipe(
    concatMap(async (step) => {
      if (step.type === 'failed') {
        if (mayTell()) report('stream', { peerId, target, reason: step.reason }, `a stream failed: ${step.reason}`);
        return;
      }
      status = 0;
      const local = formatEndpoint(step.local);
      await print(local);
      report('listening', { peerId, target, local }, `${local} leads to service ${target} of ${peerId}`);
    }),
  );
  const work$ = dialler.connect$.pipe(
    switchMap((connection) => held$(net, connection)),
    take(1),
    switchMap((connection) => merge(told$, keptUp$(connection, dialler, report))),
    catchError((error: unknown) => {
      if (error instanceof InvalidUnlError) throw error;
      status = 1;
      reportFailure(error, report);
      return EMPTY;
    }),
  );
  await runUntilInterrupted(net, work$);
  process.exitCode = status;
}

/** Emits a connection once the peer holds it, too; fails when it is refused. */
function held$({ connections$ }: Pick<Net, 'connections$'>, connection: Connection): Observable<Connection> {
  const refused$ = connection.closed$.pipe(
    map(({ message }) => {
      throw new ClosedError(message);
    }),
  );
  return merge(connections$.pipe(filter(({ peerId }) => peerId === connection.peerId)), refused$).pipe(take(1));
}

/** Connects again, and again, when a connection has ended. Never emits, and never fails. */
function keptUp$(first: Connection, { connect$ }: Dialler, report: Report): Observable<never> {
  const once$ = connect$.pipe(
    switchMap(({ closed$ }) => closed$),
    catchError((error: unknown) => {
      reportFailure(error, report);
      return EMPTY;
    }),
  );
  return first.closed$.pipe(
    switchMap(() =>
      once$.pipe(repeat({ delay: (count) => timer(backoffMs(count, AGAIN_MS.first, AGAIN_MS.most, Math.random)) })),
    ),
    ignoreElements(),
  );
}
