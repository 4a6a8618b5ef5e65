import { combineLatest, defer, EMPTY, map, NEVER, of, retry, startWith, switchMap, tap, type Observable } from 'rxjs';
import type { Endpoint, ServerAddress } from '../lib/endpoint.js';
import { InvalidOptionError, ListenError } from '../lib/errors.js';
import type { Identity } from '../lib/identity.js';
import { systemRuntime } from '../lib/runtime.js';
import { administration$, type AdminConfig } from './admin/server.js';
import type { DhtLimits } from '../lib/dht/limits.js';
import { dhtServer$ } from './dht.js';
import { serveWith, type DrainConfig } from './drain.js';
import type { HttpServerLimits } from './http/limits.js';
import { httpServer$ } from './http/server.js';
import type { HttpService } from './http/service.js';
import type { MailboxServerLimits } from './mailbox/limits.js';
import { mailboxService$ } from './mailbox/server.js';
import type { StorageState } from './mailbox/store.js';
import type { DialLimits } from './reachability/limits.js';
import { reachabilityService$ } from './reachability/server.js';
import type { RelayCounters } from './relay/counters.js';
import type { RelayServerLimits } from './relay/limits.js';
import { relayService$ } from './relay/server.js';
import type { CertificateFiles } from './tls/certificate-files.js';
import { heldCertificate$, type HeldCertificate } from './tls/held-certificate.js';
import type { RendezvousServerLimits } from './rendezvous/limits.js';
import { rendezvous$ } from './rendezvous/server.js';
import { redisStore$, type RedisStore } from './store/redis-store.js';
import type { Store } from './store/store.js';
import type { Watch } from './watch.js';

/** The options of all servers together. */
export interface ServeConfig extends DrainConfig {
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
  /**
   * Where the rendezvous server keeps what it knows. The URL of a Redis or a cluster, as {@link redisStore$} takes it, or the store that
   * this emits, is for servers of which there are several: each node reaches every other, whichever server has its session, and has one mailbox at all of them. Default: memory.
   */
  readonly store?: Store | RedisStore | string | undefined;
  /** What the keys and channels of a store given by its URL begin with: servers with the same one share it. Default: `rxp2p:`. */
  readonly storePrefix?: string | undefined;
  /** What the rendezvous server bears, where it is not to be the default. */
  readonly limits?: Partial<RendezvousServerLimits> | undefined;
  /**
   * Where the mailbox keeps messages: a folder, made if need be, of no other server. Default: memory; with the URL of a `store` they are
   * there.
   */
  readonly dataFolder?: string | undefined;
  /**
   * The names by which clients know the servers, each as in the URLs of the mailbox and the relay: `rv.example.org:8080`; the rendezvous
   * server's are the same hosts with its own port. Behind a NAT or a proxy it needs them. Nodes that find
   * them by the rendezvous server know them by the name of that, with the HTTP port; those that find the relay by the node of
   * the DHT, with `dhtPort`. A request that was signed for another is refused, so that no other server can pass on what it was
   * asked. Default: any name.
   */
  readonly hosts?: readonly string[] | undefined;
  /** What the mailbox bears, where it is not to be the default. */
  readonly mailboxLimits?: Partial<MailboxServerLimits> | undefined;
  /** Whether to join nodes that cannot reach each other, and pass their bytes on. Default: true. */
  readonly relay?: boolean | undefined;
  /** What the relay bears, where it is not to be the default. */
  readonly relayLimits?: Partial<RelayServerLimits> | undefined;
  /** What the server that dials nodes back bears, where it is not to be the default. */
  readonly reachabilityLimits?: Partial<DialLimits> | undefined;
  /** What the node of the DHT keeps, where it is not to be the default. */
  readonly dhtLimits?: Partial<DhtLimits> | undefined;
  /** What each HTTP server bears, where it is not to be the default. */
  readonly httpLimits?: Partial<HttpServerLimits> | undefined;
  /** Where the servers are looked at: `/healthz`, `/readyz`, `/metrics`, and a status page. Default: nowhere. */
  readonly admin?: AdminConfig | undefined;
  /** Told of what the servers do. Default: nobody is. */
  readonly watch?: Watch | undefined;
  /**
   * The addresses and networks (CIDR) of proxies that are believed when they say who calls: by the PROXY protocol on every TCP port,
   * by `Forwarded` or `X-Forwarded-For` with HTTP. Give only those that say it of everything that they pass on. Default: none.
   */
  readonly trustProxy?: readonly string[] | undefined;
  /**
   * The certificate by which the HTTP ports speak TLS, too: a connection that begins as TLS is HTTPS. Its files are read anew when they
   * change. Default: HTTP alone.
   */
  readonly tls?: CertificateFiles | undefined;
  /**
   * The rendezvous server's own key. Nodes that know the server by it, `rxp2p://KEY@HOST:PORT`, speak TLS with it on the rendezvous port.
   * Default: it has none.
   */
  readonly identity?: Identity | undefined;
}

/** The servers that run, by name. */
export interface Serving {
  /** Where each listens. */
  readonly endpoints: readonly {
    /** `rendezvous`, `http`, `dht`, `dht-http` or `admin`. */
    readonly name: string;
    /** Its TCP endpoint; of `dht` the UDP one. */
    readonly local: Endpoint;
  }[];
  /** What the relay does: at once, and whenever that changes. Empty where there is none. */
  readonly relayCounters$: Observable<RelayCounters>;
  /** Whether the mailbox can write to its folder: at once, and whenever that changes. While it cannot, it accepts no message. */
  readonly storage$: Observable<StorageState>;
  /**
   * Whether a store given by its URL can be used: at once, and whenever that changes. While it cannot, sessions go on, and what needs the
   * store is refused.
   */
  readonly store$: Observable<StorageState>;
  /** Whether the certificate's files can be used: at once, and whenever they have changed. Empty without a certificate. */
  readonly certificate$: Observable<CertificateState>;
}

/** How it stands with the files of a certificate. */
export interface CertificateState {
  /** Why what they hold now cannot be used, so that what was read before is; `undefined` when all is well. */
  readonly failure: string | undefined;
}

/**
 * Runs all servers for as long as it is subscribed to. Emits once all of them listen. Completes only when it is drained.
 *
 * @param config which servers, where, and what they bear. Default: all but the DHT, with their defaults.
 * @throws ListenError (`LISTEN_FAILED`) when a port cannot be listened on; StoreError (`STORE`) when the folder or the store cannot be used;
 * UnavailableError (`UNAVAILABLE`) when a package that is needed is not installed; InvalidOptionError (`INVALID_OPTION`) when an option is
 * wrong, or is of no use without another.
 *
 * @example
 * serve$({ port: 8000 }).subscribe(({ endpoints }) => console.log(endpoints));
 */
export function serve$(config: ServeConfig = {}): Observable<Serving> {
  return defer(() => {
    expectUse(config);
    const { admin } = config;
    return admin === undefined ? served$(config) : administered$(config, admin);
  });
}

/** The servers, looked at by whoever comes to the admin port. */
function administered$(config: ServeConfig, admin: AdminConfig): Observable<Serving> {
  return administration$({ admin, watch: config.watch, drain$: config.drain$ }).pipe(
    serveWith(({ local, watch, started }) =>
      served$({ ...config, watch }).pipe(
        tap((serving) => {
          started(serving);
        }),
        map((serving) => ({ ...serving, endpoints: [...serving.endpoints, { name: 'admin', local }] })),
      ),
    ),
  );
}

function served$(config: ServeConfig): Observable<Serving> {
  return defer(() => {
    const { tls } = config;
    return tls === undefined ? NEVER.pipe(startWith(undefined)) : heldCertificate$(tls, systemRuntime.scheduler);
  }).pipe(serveWith((certificate) => servers$(config, certificate)));
}

function servers$(config: ServeConfig, certificate: HeldCertificate | undefined): Observable<Serving> {
  // Both ports share one relay, since its limits are for the whole machine.
  return relay$(config).pipe(
    serveWith(({ services, counters$ }) => {
      const shared = { services, certificate };
      return combineLatest([meeting$(config, shared), dht$(config, shared)]).pipe(
        map(([{ storage$, store$, ...meeting }, dht]) => ({
          endpoints: Object.entries({ ...meeting, ...dht }).map(([name, { local }]) => ({ name, local })),
          relayCounters$: counters$,
          storage$,
          store$,
          certificate$: certificate?.certificate$.pipe(map(({ failure }) => ({ failure }))) ?? EMPTY,
        })),
      );
    }),
  );
}

/** The relay, if there is to be one. */
function relay$({ relay = true, hosts, relayLimits, watch, drain$ }: ServeConfig) {
  if (!relay) return NEVER.pipe(startWith({ services: [], counters$: EMPTY }));
  return relayService$({ hosts, limits: relayLimits, watch, drain$ }).pipe(
    map(({ service, counters$ }) => ({ services: [of(service)], counters$ })),
  );
}

/** The store that is to be used, `undefined` for memory; and whether it can be. */
function store$({ store, storePrefix, limits }: ServeConfig): Observable<{
  readonly store: Store | undefined;
  /** The same, where it is shared: mailboxes are there, too. */
  readonly shared: RedisStore | undefined;
  readonly store$: Observable<StorageState>;
}> {
  if (isShared(store)) return of({ store, shared: store, store$: store.state$ });
  if (typeof store !== 'string') {
    return of({ store, shared: undefined, store$: NEVER.pipe(startWith({ isWritable: true } as const)) });
  }
  return redisStore$(store, { prefix: storePrefix, maxEntries: limits?.tableEntries }).pipe(
    map((shared) => ({ store: shared, shared, store$: shared.state$ })),
  );
}

function isShared(store: ServeConfig['store']): store is RedisStore {
  return typeof store === 'object' && 'connection' in store;
}

/** What HTTP servers share. */
interface Shared {
  readonly services: readonly Observable<HttpService>[];
  readonly certificate: HeldCertificate | undefined;
}

/** The rendezvous server, which tells nodes where the HTTP services are. */
function meeting$(config: ServeConfig, { services: others, certificate }: Shared) {
  const { bind, port, httpPort = 8080, limits, dataFolder, hosts, mailboxLimits, httpLimits } = config;
  const { trustProxy, identity, watch, drain$, reachabilityLimits } = config;
  const shared = { bind, trustProxy, watch, drain$ };
  const opened$ = store$(config).pipe(
    switchMap((opened) => {
      const { shared } = opened;
      return mailboxService$({ dataFolder, store: shared, hosts, limits: mailboxLimits, watch, drain$ }).pipe(
        map((mailbox) => ({ ...mailbox, ...opened })),
      );
    }),
  );
  return opened$.pipe(
    serveWith(({ service, storage$, store, store$ }) => {
      // It tells nodes the port of the HTTP services, so that these are there before it.
      let webSockets: HttpService = () => false;
      const sessions: HttpService = (exchange) => webSockets(exchange);
      const services = [
        reachabilityService$({ bind, limits: reachabilityLimits, watch }),
        of(service),
        of(sessions),
        ...others,
      ];
      return httpServer$({ ...shared, port: httpPort, limits: httpLimits, certificate, services }).pipe(
        switchMap((http) =>
          rendezvous$({ ...shared, port, httpPort: http.local.port, hosts, store, limits, identity }).pipe(
            map(({ webSocketService, ...rendezvous }) => {
              webSockets = webSocketService;
              return { rendezvous, http, storage$, store$ };
            }),
          ),
        ),
      );
    }),
  );
}

/**
 * A node that joins the DHT by this node may know no other server. It needs services that see its NAT, dial it back and relay for
 * it.
 */
function dht$(config: ServeConfig, { services: others, certificate }: Shared) {
  const { bind, dhtPort, dhtAddress: address, dhtBootstrap: bootstrap, dhtLimits: limits } = config;
  const { httpLimits, reachabilityLimits, trustProxy, watch, drain$ } = config;
  if (dhtPort === undefined) return of({});
  return dhtServer$({ bind, port: dhtPort, address, bootstrap, limits, drain$ }).pipe(
    switchMap((dht) =>
      httpServer$({
        bind,
        port: dht.local.port,
        limits: httpLimits,
        trustProxy,
        certificate,
        services: [reachabilityService$({ bind, limits: reachabilityLimits, watch }), ...others],
        watch,
        drain$,
      }).pipe(map((dhtHttp) => ({ dht, 'dht-http': dhtHttp }))),
    ),
    // The system has chosen a UDP port: whether that TCP port is free it does not know.
    retry({
      delay: (error: unknown, count) => {
        if (dhtPort === 0 && error instanceof ListenError && count < PORT_TRIES) return of(undefined);
        throw error;
      },
    }),
  );
}

/** How many ports are tried where the system chooses. */
const PORT_TRIES = 10;

/** Rejects options of a server that is switched off. */
function expectUse({
  dhtPort,
  dhtAddress,
  dhtBootstrap,
  dhtLimits,
  relay,
  relayLimits,
  store,
  storePrefix,
}: ServeConfig): void {
  if (storePrefix !== undefined && typeof store !== 'string') {
    throw new InvalidOptionError(
      '`storePrefix` is of no use without a `store` that is the URL of a Redis. Leave it out',
    );
  }
  if (relay === false && relayLimits !== undefined) {
    throw new InvalidOptionError(
      '`relayLimits` are of no use with `relay: false`: there is no relay. Leave one of them out',
    );
  }
  if (dhtPort !== undefined) return;
  for (const [name, value] of Object.entries({ dhtAddress, dhtBootstrap, dhtLimits })) {
    if (value === undefined) continue;
    throw new InvalidOptionError(
      `\`${name}\` is of no use without \`dhtPort\`: there is no node of the DHT. Give the UDP port that it is to have`,
    );
  }
}
