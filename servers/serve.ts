import { map, switchMap, type Observable } from 'rxjs';
import type { Endpoint } from '../lib/endpoint.js';
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
  store,
  limits,
  dataFolder,
  mailboxLimits,
  httpLimits,
}: ServeConfig = {}): Observable<Serving> {
  const services = [reachabilityService$({ bind }), mailboxService$({ dataFolder, limits: mailboxLimits })];
  // The rendezvous server tells nodes where the HTTP services are.
  return httpServer$({ bind, port: httpPort, limits: httpLimits, services }).pipe(
    switchMap((http) =>
      rendezvousServer$({ bind, port, httpPort: http.local.port, store, limits }).pipe(
        map((rendezvous) => ({
          endpoints: Object.entries({ rendezvous, http }).map(([name, { local }]) => ({ name, local })),
        })),
      ),
    ),
  );
}
