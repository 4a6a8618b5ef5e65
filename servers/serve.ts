import { combineLatest, map, of, switchMap, type Observable } from 'rxjs';
import type { Endpoint, ServerAddress } from '../lib/endpoint.js';
import { dhtServer$ } from './dht.js';
import { httpServer$, type HttpServerLimits } from './http.js';
import { mailboxService$, type MailboxServerLimits } from './mailbox.js';
import { reachabilityService$ } from './reachability.js';
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
  /**
   * The UDP port of a node of the DHT; on the TCP port of the same number nodes are seen and dialled back. Default: there is
   * none.
   */
  readonly dhtPort?: number | undefined;
  /** The IPv4 address at which others reach the node of the DHT. Default: `bind`, or this machine's own. */
  readonly dhtAddress?: string | undefined;
  /** Other nodes of the DHT, to join them. Default: the node begins a DHT of its own. */
  readonly dhtBootstrap?: readonly ServerAddress[] | undefined;
  /** Where the rendezvous server keeps what it knows. Default: memory. */
  readonly store?: Store | undefined;
  readonly limits?: Partial<RendezvousServerLimits> | undefined;
  /** Where the mailbox keeps messages: a folder, made if need be, of no other server. Default: memory. */
  readonly dataFolder?: string | undefined;
  readonly mailboxLimits?: Partial<MailboxServerLimits> | undefined;
  readonly httpLimits?: Partial<HttpServerLimits> | undefined;
}

/** The servers that run, by name. */
export interface Serving {
  readonly endpoints: readonly { readonly name: string; readonly local: Endpoint }[];
}

/**
 * Runs all servers for as long as it is subscribed to. Emits once all of them listen.
 *
 * @throws ListenError when a port cannot be listened on; StoreError when the folder cannot be used.
 *
 * @example
 * serve$({ port: 8000 }).subscribe(({ endpoints }) => console.log(endpoints));
 */
export function serve$({
  bind,
  port,
  httpPort = 8080,
  dhtPort,
  dhtAddress,
  dhtBootstrap,
  store,
  limits,
  dataFolder,
  mailboxLimits,
  httpLimits,
}: ServeConfig = {}): Observable<Serving> {
  const services = [reachabilityService$({ bind }), mailboxService$({ dataFolder, limits: mailboxLimits })];
  // The rendezvous server tells nodes where the HTTP services are.
  const meeting$ = httpServer$({ bind, port: httpPort, limits: httpLimits, services }).pipe(
    switchMap((http) =>
      rendezvousServer$({ bind, port, httpPort: http.local.port, store, limits }).pipe(
        map((rendezvous) => ({ rendezvous, http })),
      ),
    ),
  );
  // Whoever joins the DHT by this node needs somebody who sees its NAT, and dials it back, and knows of no other server.
  const dht$ =
    dhtPort === undefined
      ? of({})
      : dhtServer$({ bind, port: dhtPort, address: dhtAddress, bootstrap: dhtBootstrap }).pipe(
          switchMap((dht) =>
            httpServer$({
              bind,
              port: dht.local.port,
              limits: httpLimits,
              services: [reachabilityService$({ bind })],
            }).pipe(map((dhtHttp) => ({ dht, 'dht-http': dhtHttp }))),
          ),
        );
  return combineLatest([meeting$, dht$]).pipe(
    map(([meeting, dht]) => ({
      endpoints: Object.entries({ ...meeting, ...dht }).map(([name, { local }]) => ({ name, local })),
    })),
  );
}
