import { concatMap, tap } from 'rxjs';
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
  reportReach,
  reportClock,
  reportServers,
  type ReachableOptions,
} from './terminal.js';

/** `rxp2p join`: broadcasts the lines of stdin, prints and relays those of the network. */
export async function join(options: ReachableOptions): Promise<void> {
  const { json } = options;
  const report = reporter(json);
  const net = createNet({ mode: 'p2p', ...configOf(options) });
  reportAttempts(net, report);
  reportReach(net, report);
  reportServers(net, report);
  reportClock(net, report);

  const ready$ = eachUnl$(
    net,
    (unl) => {
      report('ready', { unl, peerId: net.peerId }, `joined as ${net.peerId}`);
    },
    report,
  );
  const peers$ = net.connections$.pipe(
    tap((connection) => {
      reportConnection(connection, 0, report);
    }),
  );
  const received$ = net.lines$.pipe(
    tap(({ connection, text }) => net.broadcast(text, connection)),
    concatMap(({ text }) => print(text)),
  );
  await runUntilInterrupted(
    net,
    peers$,
    received$,
    ready$,
    eachStdinLine$((text) => net.broadcast(text), report),
  );
}
