import type { Socket } from 'node:net';
import { defer, finalize, merge, mergeMap, of, switchMap, type Observable } from 'rxjs';
import { MAX_TIMER_MS, withDefaults } from '../lib/config.js';
import { type Endpoint } from '../lib/endpoint.js';
import { systemRuntime, type Runtime } from '../lib/runtime.js';
import { expectInteger } from '../lib/validate.js';
import { namesOf } from './rendezvous/dialled.js';
import { PassingOn } from './rendezvous/passing-on.js';
import { Reception } from './rendezvous/reception.js';
import { serverSession$ } from './rendezvous/session.js';
import { memoryStore } from './store/memory.js';
import type { Store } from './store/store.js';
import { DEFAULT_UNREAD_LIMITS, Unread, type UnreadLimits } from './unread.js';

/** What a rendezvous server is made of. */
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
}

/** What one server bears. */
export interface RendezvousServerLimits extends UnreadLimits {
  /** Connections in all. With as many, a newcomer takes the place of the newest of the site that has most. */
  readonly connections: number;
  /** Connections from one site, an IPv4 address or IPv6 /48: a household, an office, a small carrier NAT. */
  readonly connectionsPerHost: number;
  /** Lines a second from one connection, on average. */
  readonly linesPerSecond: number;
  /** Lines at once from one connection. */
  readonly lineBurst: number;
  /** A connection that has said nothing for this long is closed, in milliseconds. Clients of ours say PING each 20 s. */
  readonly idleMs: number;
  /** The same for a PyP2P node that waits for challenges: it has nothing to say for as long as it is listed. */
  readonly listedIdleMs: number;
  /** Entries in each table of the memory store. With as many, the newest of the site that has most gives way to one that has less. */
  readonly tableEntries: number;
}

export const DEFAULT_SERVER_LIMITS: RendezvousServerLimits = {
  ...DEFAULT_UNREAD_LIMITS,
  connections: 100_000,
  connectionsPerHost: 256,
  linesPerSecond: 50,
  lineBurst: 200,
  idleMs: 120_000,
  listedIdleMs: 24 * 3_600_000,
  tableEntries: 100_000,
};

/** A rendezvous server that runs. */
export interface RendezvousServer {
  /** Where it listens. */
  readonly local: Endpoint;
  /** How many connections are open; replays the latest. */
  readonly connections$: Observable<number>;
}

/**
 * Runs a rendezvous server for as long as it is subscribed to: PyP2P's line protocol and our authenticated sessions, on
 * one port. Emits once it listens.
 *
 * @throws ListenError when the port cannot be listened on; InvalidOptionError when a host or a limit is none.
 *
 * @example
 * rendezvousServer$({ port: 8000 }).subscribe(({ local }) => console.log(`rendezvous on port ${local.port}`));
 */
export function rendezvousServer$(
  { bind, port = 8000, httpPort, hosts, store, limits: given }: RendezvousServerConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<RendezvousServer> {
  return defer(() => {
    expectInteger('port', port, 0, 65535);
    const limits = withDefaults('limits', DEFAULT_SERVER_LIMITS, given, MAX_TIMER_MS);
    const now = () => runtime.scheduler.now();
    const shared = store ?? memoryStore({ maxEntries: limits.tableEntries, now, random: runtime.random });
    const reception = new Reception(limits);
    const unread = new Unread(limits, runtime.scheduler);
    const passingOn = new PassingOn(now);
    const serverId = runtime.newId();
    const namesAt = hosts === undefined ? () => new Set<string>() : namesOf(hosts);

    const serve$ = (socket: Socket, names: ReadonlySet<string>): Observable<never> =>
      reception.receive$(socket, (turnedAway$) =>
        serverSession$(socket, {
          store: shared,
          limits,
          runtime,
          httpPort,
          serverId,
          passingOn,
          names,
          turnedAway$,
          unread,
        }),
      );

    return runtime.listen$({ address: bind, port }).pipe(
      switchMap(({ local, socket$ }) => {
        const names = namesAt(local.port);
        const running: RendezvousServer = { local, connections$: reception.count$ };
        return merge(socket$.pipe(mergeMap((socket) => serve$(socket, names))), of(running));
      }),
      finalize(() => {
        unread.close();
      }),
    );
  });
}
