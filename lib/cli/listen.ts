import { finalize, mergeMap, tap } from 'rxjs';
import type { Connection } from '../connection/connection.js';
import { createNet } from '../net.js';
import { reporter } from './report.js';
import { print } from './stdout.js';
import {
  eachStdinLine$,
  eachUnl$,
  configOf,
  reportAttempts,
  reportConnection,
  runUntilInterrupted,
  sendLine,
  reportReach,
  reportClock,
  reportServers,
  type ReachableOptions,
} from './terminal.js';

/** The options of `rxp2p listen`. */
export interface ListenOptions extends ReachableOptions {
  readonly echo?: boolean;
}

/** `rxp2p listen`: prints the UNL, then the lines that come; sends the lines of stdin to everyone. */
export async function listen(options: ListenOptions): Promise<void> {
  const { echo, json } = options;
  const report = reporter(json);
  const peers = new Set<Connection>();
  const net = createNet({ mode: 'direct', ...configOf(options) });
  reportAttempts(net, report);
  reportReach(net, report);
  reportServers(net, report);
  reportClock(net, report);

  const ready$ = eachUnl$(
    net,
    async (unl) => {
      await print(unl);
      report('ready', { unl, peerId: net.peerId }, undefined);
    },
    report,
  );
  const received$ = net.connections$.pipe(
    tap((connection) => {
      reportConnection(connection, 0, report);
    }),
    mergeMap((connection) => {
      peers.add(connection);
      return connection
        .eachLine$(async (text) => {
          if (echo === true) await sendLine(connection, text);
          await print(text);
        })
        .pipe(finalize(() => peers.delete(connection)));
    }),
  );
  // Reads stdin no faster than the slowest peer reads its lines.
  const sent$ = eachStdinLine$((text) => Promise.all([...peers].map((peer) => sendLine(peer, text))), report);
  await runUntilInterrupted(net, received$, ready$, sent$);
}
