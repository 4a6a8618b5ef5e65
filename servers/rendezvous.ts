import type { Socket } from 'node:net';
import { BehaviorSubject, defer, EMPTY, finalize, merge, mergeMap, of, switchMap, type Observable } from 'rxjs';
import { MAX_TIMER_MS, withDefaults } from '../lib/config.js';
import { siteOf } from '../lib/bounds/site.js';
import { type Endpoint } from '../lib/endpoint.js';
import { SiteCounts } from '../lib/bounds/site-counts.js';
import { endpointsOf } from '../lib/link/tcp.js';
import { systemRuntime, type Runtime } from '../lib/runtime.js';
import { expectInteger } from '../lib/validate.js';
import { serverSession$ } from './rendezvous/session.js';
import { memoryStore } from './store/memory.js';
import type { Store } from './store/store.js';

/** What a rendezvous server is made of. */
export interface RendezvousServerConfig {
  /** The local address. Default: all. */
  readonly bind?: string | undefined;
  /** Default: 8000, as PyP2P's. */
  readonly port?: number | undefined;
  /** The port of the HTTP services on this host, for nodes to be told. Default: there are none. */
  readonly httpPort?: number | undefined;
  /** Default: this process's memory. */
  readonly store?: Store | undefined;
  readonly limits?: Partial<RendezvousServerLimits> | undefined;
}

/** What one server bears. */
export interface RendezvousServerLimits {
  /** Connections in all. */
  readonly connections: number;
  /** Connections from one IPv4 address or IPv6 /64: a household, an office, a small carrier NAT. */
  readonly connectionsPerHost: number;
  /** Lines a second from one connection, on average. */
  readonly linesPerSecond: number;
  /** Lines at once from one connection. */
  readonly lineBurst: number;
  /** Bytes that wait for a client that does not read; it is dropped with more. */
  readonly unreadBytes: number;
  /** A connection that has said nothing for this long is closed, in milliseconds. Clients of ours say PING each 20 s. */
  readonly idleMs: number;
  /** The same for a PyP2P node that waits for challenges: it has nothing to say for as long as it is listed. */
  readonly listedIdleMs: number;
  /** Entries in each table of the memory store. */
  readonly tableEntries: number;
}

export const DEFAULT_SERVER_LIMITS: RendezvousServerLimits = {
  connections: 100_000,
  connectionsPerHost: 256,
  linesPerSecond: 50,
  lineBurst: 200,
  unreadBytes: 1024 * 1024,
  idleMs: 120_000,
  listedIdleMs: 24 * 3_600_000,
  tableEntries: 100_000,
};

/** So many connections beyond a limit are told why they are refused; more are dropped without a word. */
const MAX_REFUSING = 16;

/** A rendezvous server that runs. */
export interface RendezvousServer {
  readonly local: Endpoint;
  /** How many connections are open; replays the latest. */
  readonly connections$: Observable<number>;
}

/**
 * Runs a rendezvous server for as long as it is subscribed to: PyP2P's line protocol and our authenticated sessions, on
 * one port. Emits once it listens.
 *
 * @throws ListenError when the port cannot be listened on.
 *
 * @example
 * rendezvousServer$({ port: 8000 }).subscribe(({ local }) => console.log(`rendezvous on port ${local.port}`));
 */
export function rendezvousServer$(
  { bind, port = 8000, httpPort, store, limits: given }: RendezvousServerConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<RendezvousServer> {
  return defer(() => {
    expectInteger('port', port, 0, 65535);
    const limits = withDefaults('limits', DEFAULT_SERVER_LIMITS, given, MAX_TIMER_MS);
    const now = () => runtime.scheduler.now();
    const shared = store ?? memoryStore({ maxEntries: limits.tableEntries, now, random: runtime.random });
    const count = new BehaviorSubject(0);
    const hosts = new SiteCounts();
    const serverId = runtime.newId();

    const serve$ = (socket: Socket): Observable<never> =>
      defer(() => {
        const host = siteOf(endpointsOf(socket).remote.address);
        const excess = Math.max(hosts.total - limits.connections, hosts.of(host) - limits.connectionsPerHost);
        if (excess >= MAX_REFUSING) {
          socket.destroy();
          return EMPTY;
        }
        const isFull = excess >= 0;
        hosts.add(host);
        count.next(hosts.total);
        return serverSession$(socket, { store: shared, limits, runtime, httpPort, serverId, isFull }).pipe(
          finalize(() => {
            hosts.remove(host);
            count.next(hosts.total);
          }),
        );
      });

    return runtime.listen$({ address: bind, port }).pipe(
      switchMap(({ local, socket$ }) => {
        const running: RendezvousServer = { local, connections$: count.asObservable() };
        return merge(socket$.pipe(mergeMap(serve$)), of(running));
      }),
    );
  });
}
