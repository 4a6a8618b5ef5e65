import { catchError, concatMap, EMPTY, map, merge, switchMap, take } from 'rxjs';
import { formatEndpoint } from '../endpoint.js';
import { InvalidUnlError } from '../errors.js';
import { forwardPort$ } from '../forward/forward-port.js';
import { diallerOf, reportFailure, type DialOptions } from './dialler.js';
import { held$, keptUp$ } from './kept-up.js';
import { fewFailures, reporter } from './report.js';
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

/** `rxp2p forward`: a local port that leads to a TCP service at a peer. */
export async function forward(text: string, options: ForwardOptions): Promise<void> {
  const { target, port, host, json } = options;
  const report = reporter(json);
  const dialler = diallerOf(text, options, report);
  const { net, peer$ } = dialler;
  const mayTell = fewFailures();

  let status = 1;
  const told$ = peer$.pipe(
    switchMap(({ unl, peerId }) =>
      forwardPort$(net, unl, { name: channelNameOf(target), host, port, connect: dialler.options }).pipe(
        map((step) => ({ step, peerId })),
      ),
    ),
    concatMap(async ({ step, peerId }) => {
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
  const connected$ = dialler.connectAloud$.pipe(switchMap((connection) => held$(net, connection)));
  const onFailure = (error: unknown) => {
    reportFailure(error, report);
  };
  const work$ = connected$.pipe(
    take(1),
    switchMap((connection) => merge(told$, keptUp$(connection, { connect$: connected$, onFailure }))),
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
