import {
  asapScheduler,
  ignoreElements,
  merge,
  mergeMap,
  observeOn,
  takeUntil,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { isOurs, ownInterfaces } from '../link/interfaces.js';
import type { Peers } from '../peers/peers.js';
import type { Runtime } from '../runtime.js';
import { formatUnl } from '../unl.js';
import type { Unl } from '../unl/types.js';
import type { Attempts } from './attempts.js';

/** What it takes to keep connections up. */
interface UpkeepConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly peers: Peers;
  readonly attempts: Attempts;
  /** This node's own locator, whenever it changes; replays the latest. */
  readonly own$: Observable<Unl>;
}

/**
 * Keeps up all connections: looks for the links that they need, tells each peer this node's new locators, and drops links from an
 * address that this machine has lost. Never emits, never fails.
 */
export function upkeep$({ config, runtime, peers, attempts, own$ }: UpkeepConfig): Observable<never> {
  const { networkMs } = config.timing;
  // A link may break before the peer is known to hold the connection.
  const keptUp$ = peers.begun$.pipe(
    observeOn(asapScheduler),
    mergeMap((connection) => attempts.keepUp$(connection)),
  );
  const told$ = peers.connection$.pipe(
    mergeMap((connection) =>
      own$.pipe(
        tap((unl) => {
          connection.tellLocator(formatUnl(unl));
        }),
        takeUntil(connection.closed$),
      ),
    ),
  );
  const looked$ = timer(networkMs, networkMs, runtime.scheduler).pipe(
    tap(() => {
      const { interfaces } = ownInterfaces();
      for (const connection of peers.begun) connection.dropLinksFrom((address) => !isOurs(address, interfaces));
    }),
  );
  return merge(keptUp$, told$, looked$).pipe(ignoreElements());
}
