import { combineLatest, defer, EMPTY, map, NEVER, of, retry, startWith, switchMap, tap, type Observable } from 'rxjs';
import type { Endpoint } from '../lib/endpoint.js';
import { ListenError } from '../lib/errors.js';
import { systemRuntime } from '../lib/runtime.js';
import { administration$, type AdminConfig } from './admin/server.js';
import { dhtServer$ } from './dht.js';
import { serveWith } from './drain.js';
import { httpServer$ } from './http/server.js';
import type { HttpService } from './http/service.js';
import { mailboxService$ } from './mailbox/server.js';
import type { StorageState } from './mailbox/store.js';
import { reachabilityService$ } from './reachability/server.js';
import type { RelayCounters } from './relay/counters.js';
import { relayService$ } from './relay/server.js';
import { rendezvous$ } from './rendezvous/server.js';
import { expectUse, type ServeConfig } from './serve/config.js';
import { connectionsOf, withinDescriptors, type Connections } from './serve/connections.js';
import { redisStore$, type RedisStore } from './store/redis-store.js';
import type { Store } from './store/store.js';
import { certificateOf$, stateOf$, type CertificateState, type HeldCertificate } from './tls/held-certificate.js';

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
  /**
   * Whether the mailbox can write to its folder: at once, and whenever that changes. While it cannot, it accepts no message. It always can
   * where it has no folder: whether a store that has the messages can be used is told by `store$`.
   */
  readonly storage$: Observable<StorageState>;
  /**
   * Whether a store given by its URL can be used: at once, and whenever that changes. While it cannot, sessions go on, and what needs the
   * store is refused.
   */
  readonly store$: Observable<StorageState>;
  /** How many connections they take: as many as their limits say, or fewer where the process may not have so many descriptors. */
  readonly connections: Connections;
  /** Whether the certificate's files can be used: at once, and whenever they have changed. Empty without a certificate. */
  readonly certificate$: Observable<CertificateState>;
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
    const bounded = withinDescriptors(config);
    return admin === undefined ? served$(bounded) : administered$(bounded, admin);
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
  return certificateOf$(config.tls, systemRuntime.scheduler).pipe(
    serveWith((certificate) => servers$(config, certificate)),
  );
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
          connections: connectionsOf(config),
          certificate$: stateOf$(certificate),
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
function store$({ store, storePrefix, limits, watch }: ServeConfig): Observable<{
  readonly store: Store | undefined;
  /** The same, where it is shared: mailboxes are there, too. */
  readonly shared: RedisStore | undefined;
  readonly store$: Observable<StorageState>;
}> {
  if (isShared(store)) return of({ store, shared: store, store$: store.state$ });
  if (typeof store !== 'string') return of({ store, shared: undefined, store$: usable$ });
  return redisStore$(store, { prefix: storePrefix, maxEntries: limits?.tableEntries, watch }).pipe(
    map((shared) => ({ store: shared, shared, store$: shared.state$ })),
  );
}

/** The state of what is not there, and so never fails. */
const usable$: Observable<StorageState> = NEVER.pipe(startWith({ isWritable: true } as const));

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
  const ofBoth = { bind, trustProxy, watch, drain$ };
  const opened$ = store$(config).pipe(
    switchMap((opened) =>
      mailboxService$({ dataFolder, store: opened.shared, hosts, limits: mailboxLimits, watch, drain$ }).pipe(
        map((mailbox) => ({ mailbox, ...opened })),
      ),
    ),
  );
  return opened$.pipe(
    serveWith(({ mailbox: { service, ...mailbox }, store, shared, store$ }) => {
      const storage$ = shared === undefined ? mailbox.storage$ : usable$;
      // It tells nodes the port of the HTTP services, so that these are there before it.
      let webSockets: HttpService = () => false;
      const sessions: HttpService = (exchange) => webSockets(exchange);
      const services = [
        reachabilityService$({ bind, limits: reachabilityLimits, watch }),
        of(service),
        of(sessions),
        ...others,
      ];
      return httpServer$({ ...ofBoth, port: httpPort, limits: httpLimits, certificate, services }).pipe(
        switchMap((http) =>
          rendezvous$({ ...ofBoth, port, httpPort: http.local.port, hosts, store, limits, identity }).pipe(
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
