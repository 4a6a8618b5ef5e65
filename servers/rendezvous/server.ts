import {
  concat,
  defer,
  finalize,
  ignoreElements,
  map,
  merge,
  NEVER,
  of,
  switchMap,
  takeUntil,
  tap,
  type Observable,
} from 'rxjs';
import { MAX_TIMER_MS } from '../../lib/config.js';
import { withDefaults } from '../../lib/config/resolve.js';
import { type Endpoint } from '../../lib/endpoint.js';
import type { Identity } from '../../lib/identity.js';
import type { Listener } from '../../lib/link/tcp.js';
import { secureContextOf } from '../../lib/link/tls.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { unguessable } from '../../lib/unguessable.js';
import { expectInteger } from '../../lib/validate.js';
import { Callers } from '../callers/callers.js';
import type { DrainConfig } from '../drain.js';
import type { HttpService } from '../http/service.js';
import { watchedService } from '../http/watched-service.js';
import { memoryStore } from '../store/memory.js';
import type { Store } from '../store/store.js';
import { watchedStore } from '../store/watched.js';
import { unwatched, type Watch } from '../watch.js';
import { Arrivals } from './arrivals.js';
import { Clients } from './clients.js';
import { Forwarding } from './forwarding.js';
import { namesOf } from '../lines/intended-server.js';
import { beginningOf, DEFAULT_SERVER_LIMITS, type RendezvousServerLimits } from './limits.js';
import { NONCE_BYTES } from '../lines/client-lines.js';
import { sharedLines } from '../lines/shared.js';
import { bothProtocols } from './protocols.js';
import type { ServerSession } from './session.js';
import { Slots } from './slots.js';
import { webSocketService } from './web-socket-service.js';

/** The options of a rendezvous server. */
export interface RendezvousServerConfig extends DrainConfig {
  /** The local address. Default: all. */
  readonly bind?: string | undefined;
  /** Default: 8000, as PyP2P's. */
  readonly port?: number | undefined;
  /** The port of the HTTP services on this host, for nodes to be told. Default: there are none. */
  readonly httpPort?: number | undefined;
  /**
   * The names by which clients know this server: `rv.example.org:8000`. Each counts with the port that the server listens on, too. A node
   * whose proof was made for another server is refused, so that no server can pass on what it was given. A server that clients reach at
   * the address of its own socket needs none; behind a NAT or a proxy all names are to be given, and so they are for clients that come
   * by a NAT64 with another prefix than 64:ff9b::/96. Default: none.
   */
  readonly hosts?: readonly string[] | undefined;
  /** Default: this process's memory. */
  readonly store?: Store | undefined;
  /** What it bears, where it is not to be the default. */
  readonly limits?: Partial<RendezvousServerLimits> | undefined;
  /** Told of what the server does. Default: nobody is. */
  readonly watch?: Watch | undefined;
  /** The addresses and networks (CIDR) of proxies that are believed when they say who calls by the PROXY protocol. Default: none. */
  readonly trustProxy?: readonly string[] | undefined;
  /**
   * The server's own key. Then clients may begin with TLS on the same port, and know the server by its key: `rxp2p://KEY@HOST:PORT`.
   * Default: it has none, and all clients speak plain lines.
   */
  readonly identity?: Identity | undefined;
}

/** A rendezvous server that runs. */
export interface RendezvousServer {
  /** Where it listens. */
  readonly local: Endpoint;
  /** How many connections are open; replays the latest. */
  readonly connections$: Observable<number>;
}

/**
 * Runs a rendezvous server for as long as it is subscribed to: PyP2P's line protocol and our authenticated sessions, on
 * one port. Emits once it listens. Completes only when it has been drained.
 *
 * @param config what it is to be. Default: all defaults.
 * @param runtime time, chance and sockets; specs give their own. Default: the real ones.
 * @throws ListenError (`LISTEN_FAILED`) when the port cannot be listened on; InvalidOptionError (`INVALID_OPTION`) when a host or a
 * limit is none.
 *
 * @example
 * rendezvousServer$({ port: 8000 }).subscribe(({ local }) => console.log(`rendezvous on port ${local.port}`));
 */
export function rendezvousServer$(
  config: RendezvousServerConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<RendezvousServer> {
  return rendezvous$(config, runtime).pipe(map(({ local, connections$ }) => ({ local, connections$ })));
}

/** A rendezvous server, and sessions with it by WebSocket, as a service of an HTTP server. */
interface Rendezvous extends RendezvousServer {
  readonly webSocketService: HttpService;
}

/** Like {@link rendezvousServer$}. */
export function rendezvous$(
  {
    bind,
    port = 8000,
    httpPort,
    hosts,
    store,
    limits: overrides,
    drain$ = NEVER,
    trustProxy,
    identity,
    watch = unwatched,
  }: RendezvousServerConfig,
  runtime: Runtime = systemRuntime,
): Observable<Rendezvous> {
  return defer(() => {
    expectInteger('port', port, 0, 65535);
    const limits = withDefaults('limits', DEFAULT_SERVER_LIMITS, overrides, MAX_TIMER_MS);
    const { scheduler } = runtime;
    const now = () => scheduler.now();
    const memory = () => memoryStore({ maxEntries: limits.tableEntries, now, random: runtime.random });
    const shared = sharedLines(limits, scheduler);
    const serverId = runtime.newId();
    const callers = new Callers(trustProxy, scheduler);
    const namesAt = hosts === undefined ? () => new Set<string>() : namesOf(hosts);
    const context = identity && secureContextOf(identity)();
    const slots = new Slots<ServerSession>(limits, now);
    const clientsOf = ({ local }: Listener) =>
      new Clients({
        store: watchedStore(store ?? memory(), watch, now),
        limits,
        lineRate: { perSecond: limits.linesPerSecond, burst: limits.lineBurst, now },
        runtime,
        timers: shared.timers,
        httpPort,
        serverId,
        forwarding: new Forwarding(now),
        slots,
        newNonce: unguessable(NONCE_BYTES),
        names: new Set([
          ...namesAt(local.port, httpPort ?? local.port),
          ...(identity === undefined ? [] : [identity.peerId]),
        ]),
        watch,
        protocols: bothProtocols,
      });

    const listening$ = runtime.listen$({ address: bind, port }).pipe(takeUntil(drain$));
    return listening$.pipe(
      switchMap((listener) => {
        const clients = clientsOf(listener);
        const gauges = [watch.gauge('rendezvousSessions', () => clients.size), watch.gauge('codes', () => slots.size)];
        const { idleMs } = limits;
        const beginning = beginningOf(limits);
        const arrivals = new Arrivals({ callers, clients, shared, watch, scheduler, context, idleMs, beginning });
        const running: Rendezvous = {
          local: listener.local,
          connections$: clients.count$,
          webSocketService: watchedService('rendezvous', webSocketService(arrivals.webSocket), watch),
        };
        return concat(
          merge(of(running), listener.socket$.pipe(tap(arrivals.socket), ignoreElements())).pipe(takeUntil(drain$)),
          defer(() => clients.drain$()),
        ).pipe(
          finalize(() => {
            for (const forget of gauges) forget();
            arrivals.close();
            clients.close();
          }),
        );
      }),
      finalize(() => {
        callers.close();
        shared.close();
      }),
    );
  });
}
