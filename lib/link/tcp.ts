import { createServer, connect, type Socket } from 'node:net';
import {
  asyncScheduler,
  catchError,
  noop,
  Observable,
  of,
  Subject,
  switchMap,
  throwError,
  type SchedulerLike,
} from 'rxjs';
import { canonicalAddress, familyOf, formatServer, withoutZone, type Endpoint } from '../endpoint.js';
import { DialError, ListenError, reasonOf } from '../errors.js';
import { headStart } from '../operators/head-start.js';
import { addressesOf$, lookup, type Lookup } from './names.js';

/** Where a TCP connection goes to and comes from. */
export interface DialConfig {
  /** A host name or an address. */
  readonly host: string;
  /** The addresses of the host, the best first, where it has been looked up already. */
  readonly addresses?: readonly string[] | undefined;
  /** 1 to 65535. */
  readonly port: number;
  /** The family of addresses to use when a name has both. Default: that of the local address; without one, both. */
  readonly family?: 4 | 6 | undefined;
  /** The local address to leave from. By default the system chooses. */
  readonly localAddress?: string | undefined;
  /** The local port to leave from. By default the system chooses. */
  readonly localPort?: number | undefined;
}

/** Where to listen. */
export interface ListenConfig {
  /** The local address. By default all of them, IPv6 and IPv4. */
  readonly address?: string | undefined;
  /** The local port; 0 lets the system choose. */
  readonly port: number;
}

/** A port that is being listened on. */
export interface Listener {
  /** The address is `::` or `0.0.0.0` when it listens on all. */
  readonly local: Endpoint;
  /** Each connection that arrives, paused. If nobody is subscribed, it is closed at once. */
  readonly socket$: Observable<Socket>;
}

/**
 * An idle connection is probed by the kernel after this time, so that a peer that lost its power is noticed even where
 * no heartbeat runs. Well below the 2 h 4 min for which RFC 5382 REQ-5 has NATs keep an idle connection.
 */
export const KEEP_ALIVE_MS = 60_000;

/**
 * How many connections the system completes before they are accepted here. Thousands may come in the same moment, such as all nodes of a server
 * that has failed. The system drops the SYNs of those beyond this number, and TCP repeats them after one second, after three and after seven
 * (RFC 6298 §2.1, §5.5). Linux takes `net.core.somaxconn` where that is less; it is 4,096 since Linux 5.4. Node's default is 511.
 */
export const LISTEN_BACKLOG = 4_096;

/** What specs replace of a dial. */
export interface DialDependencies {
  readonly lookup: Lookup;
  readonly scheduler: SchedulerLike;
}

/** Between the starts of dials to the addresses of one name: the Connection Attempt Delay of RFC 8305 §5. */
const ATTEMPT_DELAY_MS = 250;

/** Dials like {@link dial$}, with a resolver and a scheduler of its own. */
export function dialWith({ lookup, scheduler }: DialDependencies): (config: DialConfig) => Observable<Socket> {
  return ({ host, port, localAddress, localPort, ...config }) => {
    const family = config.family ?? (localAddress === undefined ? undefined : familyOf(localAddress));
    const addresses$ = config.addresses === undefined ? addressesOf$(host, family, lookup) : of(config.addresses);
    return addresses$.pipe(
      switchMap((addresses) => {
        const dials = addresses.map((address) => connected$({ host: address, port, localAddress, localPort }));
        const [only, ...others] = dials;
        return only !== undefined && others.length === 0 ? only : headStart(dials, ATTEMPT_DELAY_MS, scheduler);
      }),
      catchError((cause: unknown) =>
        throwError(
          () => new DialError(`${formatServer({ host, port })} cannot be reached: ${reasonOf(cause)}`, { cause }),
        ),
      ),
    );
  };
}

/**
 * Opens a TCP connection. Emits the socket, paused and with Nagle's algorithm off (RFC 896), and completes. Unsubscribing before that
 * cancels the attempt; afterwards the socket belongs to the subscriber.
 *
 * The addresses of a name are dialled as in RFC 8305: alternating between the families, each with a short head start over the next.
 * A dial goes on when the next one starts. The first to connect wins.
 *
 * @throws DialError with the system's error as its cause; for a name with several addresses, an AggregateError of all errors.
 *
 * @example
 * dial$({ host: '127.0.0.1', port: 8000 }).subscribe((socket) => socket.end('QUIT\r\n'));
 */
export const dial$ = dialWith({ lookup, scheduler: asyncScheduler });

/** Connects to one address. Fails with the system's error. */
function connected$({ host, port, localAddress, localPort }: DialConfig): Observable<Socket> {
  return new Observable((subscriber) => {
    const socket = connect({
      host,
      port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      ...(localAddress !== undefined && { localAddress }),
      ...(localPort !== undefined && { localPort }),
    });
    let handedOver = false;
    // Never removed: an `error` event while the socket has no owner must not end the process.
    socket.on('error', noop);
    const onError = (cause: Error) => {
      subscriber.error(cause);
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      handedOver = true;
      subscriber.next(socket);
      subscriber.complete();
    });
    return () => {
      if (!handedOver) socket.destroy();
    };
  });
}

/**
 * Listens for TCP connections. Emits one {@link Listener} when the port is open; unsubscribing closes the port and
 * leaves the connections alone.
 *
 * @throws ListenError with the system's error as its cause.
 *
 * @example
 * listen$({ port: 0 }).subscribe(({ local, socket$ }) => socket$.subscribe((socket) => socket.end('hello\n')));
 */
export function listen$({ address, port }: ListenConfig): Observable<Listener> {
  return new Observable((subscriber) => {
    const sockets = new Subject<Socket>();
    const server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    server.on('connection', (socket) => {
      socket.on('error', noop);
      if (sockets.observed) sockets.next(socket);
      else socket.destroy();
    });
    const fail = (cause: Error) => {
      subscriber.error(listenErrorOf(cause, { address, port }));
    };
    server.once('error', fail);
    server.listen({ port, backlog: LISTEN_BACKLOG, ...(address !== undefined && { host: address }) }, () => {
      // From now on an error is of one connection that the system could not accept, as without descriptors: others can come.
      server.off('error', fail).on('error', noop);
      const bound = server.address();
      if (bound === null || typeof bound === 'string') return;
      subscriber.next({
        local: { address: canonicalAddress(bound.address) ?? bound.address, port: bound.port },
        socket$: sockets.asObservable(),
      });
    });
    return () => {
      sockets.complete();
      server.close();
    };
  });
}

/** Why a port cannot be listened on, and what helps. */
export function listenErrorOf(cause: Error, { address, port }: ListenConfig): ListenError {
  const where = address === undefined ? `port ${port}` : formatServer({ host: address, port });
  return new ListenError(`Cannot listen on ${where}: ${cause.message}. ${adviceOn(cause, port)}`, { cause });
}

/** The first port that a program may listen on without any privilege, unless the system was told otherwise. */
const FIRST_FREE_PORT = 1024;

function adviceOn(cause: Error, port: number): string {
  const code = 'code' in cause ? cause.code : undefined;
  if (code === 'EADDRNOTAVAIL') return 'Choose an address that this machine has, or none for all of them.';
  if (code === 'EACCES' && port > 0 && port < FIRST_FREE_PORT) {
    return `Choose a port from ${FIRST_FREE_PORT} on, or give the program the privilege (on Linux CAP_NET_BIND_SERVICE).`;
  }
  return 'Choose another port or address.';
}

/** The two ends of a connected socket. */
export function endpointsOf(socket: Socket): { readonly local: Endpoint; readonly remote: Endpoint } {
  return {
    local: endpointOf(socket.localAddress, socket.localPort),
    remote: endpointOf(socket.remoteAddress, socket.remotePort),
  };
}

function endpointOf(address: string | undefined, port: number | undefined): Endpoint {
  // A socket that has just closed has no addresses any more. Its owner will notice the close.
  return { address: canonicalAddress(withoutZone(address ?? '')) ?? '0.0.0.0', port: port ?? 0 };
}
