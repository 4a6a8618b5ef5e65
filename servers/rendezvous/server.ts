import type { Socket } from 'node:net';
import { defer, finalize, merge, mergeMap, of, switchMap, type Observable } from 'rxjs';
import { MAX_TIMER_MS } from '../../lib/config.js';
import { withDefaults } from '../../lib/config/resolve.js';
import { type Endpoint } from '../../lib/endpoint.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { expectInteger } from '../../lib/validate.js';
import type { Caller } from '../callers/caller.js';
import { Callers } from '../callers/callers.js';
import { namesOf } from './intended-server.js';
import { DEFAULT_SERVER_LIMITS, type RendezvousServerLimits } from './limits.js';
import { Forwarding } from './forwarding.js';
import { ConnectionLimit } from './connection-limit.js';
import { serveSession$ } from './serve-session.js';
import { memoryStore } from '../store/memory.js';
import type { Store } from '../store/store.js';
import { watchedStore } from '../store/watched.js';
import { Unread } from '../unread.js';
import { unwatched, type Watch } from '../watch.js';

/** The options of a rendezvous server. */
export interface RendezvousServerConfig {
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
 * one port. Emits once it listens. Never completes.
 *
 * @param config what it is to be. Default: all defaults.
 * @param runtime time, chance and sockets; specs give their own. Default: the real ones.
 * @throws ListenError (`LISTEN_FAILED`) when the port cannot be listened on; InvalidOptionError (`INVALID_OPTION`) when a host, a
 * proxy or a limit is none.
 *
 * @example
 * rendezvousServer$({ port: 8000 }).subscribe(({ local }) => console.log(`rendezvous on port ${local.port}`));
 */
export function rendezvousServer$(
  {
    bind,
    port = 8000,
    httpPort,
    hosts,
    store,
    limits: overrides,
    trustProxy,
    watch = unwatched,
  }: RendezvousServerConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<RendezvousServer> {
  return defer(() => {
    expectInteger('port', port, 0, 65535);
    const limits = withDefaults('limits', DEFAULT_SERVER_LIMITS, overrides, MAX_TIMER_MS);
    const now = () => runtime.scheduler.now();
    const memory = () => memoryStore({ maxEntries: limits.tableEntries, now, random: runtime.random });
    const shared = watchedStore(store ?? memory(), watch, now);
    const connectionLimit = new ConnectionLimit(limits, watch);
    const forget = watch.gauge('rendezvousSessions', () => connectionLimit.size);
    const unread = new Unread(limits, runtime.scheduler);
    const forwarding = new Forwarding(now);
    const serverId = runtime.newId();
    const callers = new Callers(trustProxy, runtime.scheduler);
    const namesAt = hosts === undefined ? () => new Set<string>() : namesOf(hosts);

    const serve$ = (socket: Socket, caller: Caller, names: ReadonlySet<string>): Observable<never> =>
      connectionLimit.admit$(socket, caller, (turnedAway$) =>
        serveSession$(socket, caller, {
          store: shared,
          limits,
          runtime,
          httpPort,
          serverId,
          forwarding,
          names,
          turnedAway$,
          unread,
          watch,
        }),
      );

    return runtime.listen$({ address: bind, port }).pipe(
      switchMap(({ local, socket$ }) => {
        const names = namesAt(local.port);
        const running: RendezvousServer = { local, connections$: connectionLimit.count$ };
        const sessions$ = socket$.pipe(
          mergeMap((socket) => callers.caller$(socket).pipe(mergeMap((caller) => serve$(socket, caller, names)))),
        );
        return merge(sessions$, of(running));
      }),
      finalize(() => {
        unread.close();
        callers.close();
        forget();
      }),
    );
  });
}
