import {
  concatMap,
  defer,
  EMPTY,
  endWith,
  filter,
  finalize,
  identity,
  ignoreElements,
  merge,
  mergeMap,
  noop,
  take,
  takeUntil,
  tap,
  type Observable,
} from 'rxjs';
import type { Channel } from '../connection/connection.js';
import type { Net } from '../net/interface.js';
import { reportConnection } from './node-report.js';
import { converseRaw$, RAW_CHANNEL, RAW_OPTIONS } from './raw.js';
import type { Report } from './report.js';
import { eachUnl$, runUntilInterrupted } from './terminal.js';

/** How many peers may wait until those before them have left. What they send waits, too: up to the first window of a channel, 64 KiB. */
const WAITING = 16;

/** How bytes are listened for. */
export interface ListenRawConfig {
  /** Whether the end of the first peer is the end of the program, and decides on its status. */
  readonly once: boolean;
  readonly report: Report;
  /** Shows a code while subscribed to, where one is wanted. */
  readonly code$: Observable<never>;
}

/**
 * `rxp2p listen --raw`: passes bytes between a peer and the terminal, one peer after the other. The locator goes to stderr: stdout has the
 * bytes and nothing else.
 */
export async function listenRaw(net: Net, { once, report, code$ }: ListenRawConfig): Promise<void> {
  const most = once ? 1 : 1 + WAITING;
  let status = once ? 1 : 0;
  let peers = 0;
  const ready$ = eachUnl$(
    net,
    (unl) => {
      report('ready', { unl, peerId: net.peerId }, `for the peer: rxp2p connect --raw ${unl}`);
    },
    report,
  );
  const others$ = net.connections$.pipe(
    tap((connection) => {
      reportConnection(connection, 0, report);
    }),
    mergeMap((connection) =>
      connection.lines$.pipe(
        take(1),
        tap(() => {
          connection.reset(0, 'this node takes bytes, not lines: connect with --raw');
        }),
      ),
    ),
  );
  const passed$ = net.channels$(RAW_CHANNEL, RAW_OPTIONS).pipe(
    filter((channel) => {
      if (peers < most) return true;
      channel.reset(0, 'another peer is connected');
      return false;
    }),
    tap(({ connection: { peerId } }) => {
      if (++peers > 1) report('waiting', { peerId }, `${peerId} waits until the peer before it has left`);
    }),
    concatMap((channel) =>
      // Stdin is not for one that has left meanwhile.
      defer(() => (hasEnded(channel) ? EMPTY : converseRaw$(channel, report))).pipe(
        finalize(() => {
          peers--;
        }),
      ),
    ),
    tap(({ code }) => {
      if (once) status = code === 'closed' ? 0 : 1;
    }),
    once ? take(1) : identity,
  );
  const isOver$ = passed$.pipe(ignoreElements(), endWith(true));
  const end = await runUntilInterrupted(net, merge(ready$, others$, code$).pipe(takeUntil(isOver$)));
  process.exitCode = end === 'stdout' ? 0 : status;
}

function hasEnded({ closed$ }: Channel): boolean {
  let isOver = false;
  const asking = closed$.subscribe({
    next: () => {
      isOver = true;
    },
    error: noop,
  });
  asking.unsubscribe();
  return isOver;
}
