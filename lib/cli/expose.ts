import { EMPTY, ignoreElements, merge, tap } from 'rxjs';
import { exposePort$ } from '../forward/expose-port.js';
import { isPeerId, type PeerId } from '../identity.js';
import { createNet } from '../net.js';
import { invalidOption } from '../validate.js';
import { expectPlace, shownCode$ } from './by-code.js';
import { reportConnection, reportNode, reportReach } from './node-report.js';
import { fewFailures, reporter } from './report.js';
import { print } from './stdout.js';
import { channelNameOf, readTargets } from './targets.js';
import { configOf, eachUnl$, runUntilInterrupted, type ReachableOptions } from './terminal.js';

/** The options of `rxp2p expose`. */
export interface ExposeOptions extends ReachableOptions {
  /** The peers that may connect. Default: whoever has the locator. */
  readonly allow?: readonly string[];
  /** Whether a code is shown, by which one more may. Then nobody else may but those. */
  readonly code?: boolean;
}

/** `rxp2p expose`: prints the UNL, and leads peers to local TCP services. */
export async function expose(texts: readonly string[], options: ExposeOptions): Promise<void> {
  const { json, code = false } = options;
  const allow = options.allow ?? (code ? [] : undefined);
  if (code) expectPlace(options);
  const targets = readTargets(texts);
  const isOne = (text: string): boolean => isPeerId(text);
  for (const text of allow ?? []) {
    if (!isOne(text)) throw invalidOption('--allow', 'a peer id (43 characters, as the events of --json tell)', text);
  }
  const report = reporter(json);
  const allowed = new Set<string>(allow);
  const mayTell = fewFailures();
  const net = createNet({
    mode: 'direct',
    // On the local network everybody who is there learns the locator: only where the user says so, or who may come.
    ...configOf(allow === undefined ? { ...options, lan: options.lan ?? false } : options),
    ...(allow !== undefined && { acceptPeer: (peerId: PeerId) => allowed.has(peerId) }),
  });
  reportNode(net, report);
  reportReach(net, report);

  const ready$ = eachUnl$(
    net,
    async (unl) => {
      await print(unl);
      const services = targets.map(({ number, name }) => `\n  ${number}: ${name}`).join('');
      report('ready', { unl, peerId: net.peerId, targets }, `for the peer: rxp2p forward ${unl}\nservices:${services}`);
    },
    report,
  );
  const peers$ = net.connections$.pipe(
    tap((connection) => {
      reportConnection(connection, 0, report);
    }),
  );
  const paired$ = shownCode$(net, {
    command: 'rxp2p forward',
    servers: options.rendezvous,
    report,
    isPrinted: true,
  }).pipe(
    tap(({ peerId }) => {
      allowed.add(peerId);
    }),
    ignoreElements(),
  );
  // Each service goes by its name, and by its number.
  const exposed$ = targets.map(({ number, name, host, port }) =>
    exposePort$(net, { name: [name, number].map(channelNameOf), host, port }).pipe(
      tap(({ peerId, reason }) => {
        if (mayTell()) report('stream', { peerId, target: name, reason }, `a stream to ${name} failed: ${reason}`);
      }),
      ignoreElements(),
    ),
  );
  await runUntilInterrupted(net, ...exposed$, merge(peers$, ready$), code ? paired$ : EMPTY);
}
