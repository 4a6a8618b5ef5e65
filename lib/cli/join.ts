import { concatMap, tap } from 'rxjs';
import { createNet } from '../net.js';
import { reportConnection, reportNode, reportReach } from './node-report.js';
import { reporter } from './report.js';
import { print } from './stdout.js';
import { configOf, eachStdinLine$, eachUnl$, runUntilInterrupted, type ReachableOptions } from './terminal.js';

/** `rxp2p join`: broadcasts the lines of stdin, prints and relays those of the network. */
export async function join(options: ReachableOptions): Promise<void> {
  const { json } = options;
  const report = reporter(json);
  const net = createNet({ mode: 'p2p', ...configOf(options) });
  reportNode(net, report);
  reportReach(net, report);

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
