import { EMPTY, finalize, ignoreElements, mergeMap, tap } from 'rxjs';
import type { Connection } from '../connection/connection.js';
import { InvalidOptionError } from '../errors.js';
import { createNet } from '../net.js';
import { expectPlace, shownCode$ } from './by-code.js';
import { listenRaw } from './listen-raw.js';
import { reportConnection, reportNode, reportReach } from './node-report.js';
import { reporter } from './report.js';
import { print } from './stdout.js';
import {
  configOf,
  eachStdinLine$,
  eachUnl$,
  runUntilInterrupted,
  sendLine,
  type ReachableOptions,
} from './terminal.js';

/** The options of `rxp2p listen`. */
export interface ListenOptions extends ReachableOptions {
  readonly echo?: boolean;
  /** Bytes instead of lines. */
  readonly raw?: boolean;
  /** Bytes, and those of one peer only. */
  readonly once?: boolean;
  /** Whether a code is shown, by which one peer learns the locator. */
  readonly code?: boolean;
}

/** `rxp2p listen`: prints the UNL, then the lines that come; sends the lines of stdin to everyone. Or passes bytes. */
export async function listen(options: ListenOptions): Promise<void> {
  const { echo, json, raw = false, once = false, code = false } = options;
  if (once && !raw) throw new InvalidOptionError('`--once` is of use with `--raw` alone');
  if (code) expectPlace(options);
  const report = reporter(json);
  const peers = new Set<Connection>();
  const net = createNet({ mode: 'direct', ...configOf(options) });
  reportNode(net, report);
  reportReach(net, report);
  const codeOf$ = (command: string) =>
    code ? shownCode$(net, { command, servers: options.rendezvous, report }).pipe(ignoreElements()) : EMPTY;
  if (raw) {
    await listenRaw(net, { once, report, code$: codeOf$('rxp2p connect --raw') });
    return;
  }

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
  await runUntilInterrupted(net, received$, ready$, sent$, codeOf$('rxp2p connect'));
}
