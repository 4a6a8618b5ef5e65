import { asapScheduler, ignoreElements, merge, mergeMap, observeOn, takeUntil, tap, type Observable } from 'rxjs';
import { isOurs } from '../link/interfaces.js';
import type { NetworkLook } from '../link/network-looks.js';
import type { Peers } from '../peers/peers.js';
import { formatUnl } from '../unl.js';
import type { Unl } from '../unl/types.js';
import type { Attempts } from './attempts.js';

/** What it takes to keep connections up. */
interface UpkeepConfig {
  /** Each look at this machine's network. */
  readonly network$: Observable<NetworkLook>;
  readonly peers: Peers;
  readonly attempts: Attempts;
  /** This node's own locator, whenever it changes; replays the latest. */
  readonly own$: Observable<Unl>;
}

/**
 * Keeps up all connections: looks for the links that they need, tells each peer this node's new locators, drops links from an
 * address that this machine has lost, and asks for a sign of life on the others whenever the network has changed. Never emits, never fails.
 */
export function upkeep$({ network$, peers, attempts, own$ }: UpkeepConfig): Observable<never> {
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
  const looked$ = network$.pipe(
    tap(({ interfaces, hasChanged }) => {
      for (const connection of peers.begun) {
        connection.dropLinksFrom((address) => !isOurs(address, interfaces));
        // What is left may lead nowhere now, such as past a VPN.
        if (hasChanged) connection.ping();
      }
    }),
  );
  return merge(keptUp$, told$, looked$).pipe(ignoreElements());
}
