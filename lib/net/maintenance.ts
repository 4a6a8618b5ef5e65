import {
  asapScheduler,
  defer,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  mergeMap,
  observeOn,
  takeUntil,
  tap,
  withLatestFrom,
  type Observable,
} from 'rxjs';
import type { PeerConnection } from '../connection/peer-connection.js';
import { isOurs } from '../link/interfaces.js';
import type { NetworkLook } from '../link/network-looks.js';
import type { Peers } from '../peers/peers.js';
import { formatUnl } from '../unl.js';
import type { Unl } from '../unl/types.js';
import type { Attempts } from './attempts.js';

/** What maintaining connections needs. */
interface MaintenanceConfig {
  /** Each look at this machine's network. */
  readonly network$: Observable<NetworkLook>;
  readonly peers: Peers;
  readonly attempts: Attempts;
  /** This node's own locator, whenever it changes; replays the latest. */
  readonly own$: Observable<Unl>;
}

/**
 * Maintains all connections: has the links searched that they need ({@link Attempts.searchLinks$}), tells each peer this node's new
 * locators, drops links from an address that this machine has lost, and pings on the others whenever the network has changed. Never
 * emits, never fails.
 */
export function maintainConnections$({ network$, peers, attempts, own$ }: MaintenanceConfig): Observable<never> {
  // From the start, since a link may break before the peer has agreed to the connection. Most connections need nothing most of the time,
  // and a search takes kilobytes.
  const searching = new Set<PeerConnection>();
  const searched$ = peers.needy$.pipe(
    observeOn(asapScheduler),
    filter((connection) => !searching.has(connection)),
    mergeMap((connection) =>
      defer(() => {
        searching.add(connection);
        const satisfied$ = connection.need$.pipe(filter((need) => need === 'none'));
        return attempts.searchLinks$(connection).pipe(takeUntil(satisfied$));
      }).pipe(finalize(() => searching.delete(connection))),
    ),
  );
  const ownText$ = own$.pipe(map(formatUnl));
  const told$ = merge(
    ownText$.pipe(
      tap((text) => {
        for (const connection of peers.all) connection.tellLocator(text);
      }),
    ),
    peers.connection$.pipe(
      withLatestFrom(ownText$),
      tap(([connection, text]) => {
        connection.tellLocator(text);
      }),
    ),
  );
  const looked$ = network$.pipe(
    tap(({ interfaces, hasChanged }) => {
      for (const connection of peers.begun) {
        connection.dropLinksFrom((address) => !isOurs(address, interfaces));
        // The other links may not work any more either, such as one that a new VPN cuts off.
        if (hasChanged) connection.ping();
      }
    }),
  );
  return merge(searched$, told$, looked$).pipe(ignoreElements());
}
