import { combineLatest, map, of, switchMap, type Observable } from 'rxjs';
import type { Endpoint, ServerAddress } from '../lib/endpoint.js';
import { dhtServer$ } from './dht.js';
import { reachabilityServer$ } from './reachability.js';
import { rendezvousServer$, type RendezvousServerLimits } from './rendezvous.js';
import type { Store } from './store/store.js';

/** What the servers are made of. */
export interface ServeConfig {
  /** The local address. Default: all. */
  readonly bind?: string | undefined;
  /** The rendezvous server's TCP port. Default: 8000. */
  readonly port?: number | undefined;
  /** The TCP port of the HTTP services. Default: 8080. */
  readonly httpPort?: number | undefined;
  /** The UDP port of a node of the DHT. Default: there is none. */
  readonly dhtPort?: number | undefined;
  /** The IPv4 address at which others reach the node of the DHT. Default: `bind`, or this machine's own. */
  readonly dhtAddress?: string | undefined;
  /** Other nodes of the DHT, to join them. Default: the node begins a DHT of its own. */
  readonly dhtBootstrap?: readonly ServerAddress[] | undefined;
  /** Where the rendezvous server keeps what it knows. Default: memory. */
  readonly store?: Store | undefined;
  readonly limits?: Partial<RendezvousServerLimits> | undefined;
}

/** The servers that run, by name. */
export interface Serving {
  readonly endpoints: readonly { readonly name: string; readonly local: Endpoint }[];
}

/**
 * Runs all servers for as long as it is subscribed to. Emits once all of them listen.
 *
 * @throws ListenError when a port cannot be listened on.
 *
 * @example
 * serve$({ port: 8000 }).subscribe(({ endpoints }) => console.log(endpoints));
 */
export function serve$({
  bind,
  port,
  httpPort,
  dhtPort,
  dhtAddress,
  dhtBootstrap,
  store,
  limits,
}: ServeConfig = {}): Observable<Serving> {
  // The rendezvous server tells nodes where the HTTP services are.
  const meeting$ = reachabilityServer$({ bind, port: httpPort }).pipe(
    switchMap((http) =>
      rendezvousServer$({ bind, port, httpPort: http.local.port, store, limits }).pipe(
        map((rendezvous) => ({ rendezvous, http })),
      ),
    ),
  );
  const dht$ =
    dhtPort === undefined
      ? of({})
      : dhtServer$({ bind, port: dhtPort, address: dhtAddress, bootstrap: dhtBootstrap }).pipe(map((dht) => ({ dht })));
  return combineLatest([meeting$, dht$]).pipe(
    map(([meeting, dht]) => ({
      endpoints: Object.entries({ ...meeting, ...dht }).map(([name, { local }]) => ({ name, local })),
    })),
  );
}
