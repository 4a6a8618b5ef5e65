import { mergeMap, take, tap } from 'rxjs';
import { createNet } from '../net.js';
import {
  broadcastStdin$,
  identityOf,
  print,
  reportAttempts,
  reportConnection,
  reporter,
  runUntilInterrupted,
  type NodeOptions,
} from './terminal.js';

/** The options of `rxp2p listen`. */
export interface ListenOptions extends NodeOptions {
  readonly echo?: boolean;
}

/** `rxp2p listen`: prints the UNL, then the lines that come; sends the lines of stdin to everyone. */
export async function listen(options: ListenOptions): Promise<void> {
  const { rendezvous, port, bind, echo, json } = options;
  const report = reporter(json);
  const net = createNet({ mode: 'direct', rendezvous, port, bind, identity: identityOf(options) });
  reportAttempts(net, report);

  const ready$ = net.unl$.pipe(
    take(1),
    mergeMap(async (unl) => {
      await print(unl);
      report('ready', { unl, peerId: net.peerId }, undefined);
    }),
  );
  const received$ = net.connections$.pipe(
    tap((connection) => {
      reportConnection(connection, 0, report);
    }),
    mergeMap((connection) =>
      connection.eachLine$((text) => {
        if (echo === true) connection.send(text);
        return print(text);
      }),
    ),
  );
  await runUntilInterrupted(net, received$, ready$, broadcastStdin$(net, report));
}
