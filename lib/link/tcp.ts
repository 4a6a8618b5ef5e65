import { createServer, connect, type Socket } from 'node:net';
import { noop, Observable, Subject } from 'rxjs';
import { canonicalAddress, familyOf, formatServer, type Endpoint } from '../endpoint.js';
import { DialError, ListenError } from '../errors.js';

/** Where a TCP connection goes to and comes from. */
export interface DialConfig {
  /** A host name or an address. */
  readonly host: string;
  readonly port: number;
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
  /** Each connection that arrives, paused. One that nobody takes is closed at once. */
  readonly socket$: Observable<Socket>;
}

/**
 * An idle connection is probed by the kernel after this time, so that a peer that lost its power is noticed even where
 * no heartbeat runs. Well below the 2 h 4 min for which RFC 5382 REQ-5 has NATs keep an idle connection.
 */
export const KEEP_ALIVE_MS = 60_000;

/**
 * Opens a TCP connection. Emits the socket, paused and without delay (RFC 896 off), and completes. Unsubscribing before
 * that gives the attempt up and closes what was open of it; afterwards the socket belongs to whoever took it.
 *
 * @throws DialError with the system's error as its cause.
 *
 * @example
 * dial$({ host: '127.0.0.1', port: 8000 }).subscribe((socket) => socket.end('QUIT\r\n'));
 */
export function dial$({ host, port, localAddress, localPort }: DialConfig): Observable<Socket> {
  return new Observable((subscriber) => {
    const socket = connect({
      host,
      port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      // A name may have addresses of both families; only those of the local address's can be reached from it.
      ...(localAddress !== undefined && { localAddress, family: familyOf(localAddress) }),
      ...(localPort !== undefined && { localPort }),
    });
    let handedOver = false;
    // Stays for the socket's life: an error between two owners must not end the process.
    socket.on('error', noop);
    const onError = (cause: Error) => {
      subscriber.error(new DialError(`${formatServer({ host, port })} cannot be reached: ${cause.message}`, { cause }));
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
    server.on('error', (cause) => {
      const where = `${address === undefined ? 'port' : formatServer({ host: address, port })} ${address === undefined ? port : ''}`;
      subscriber.error(
        new ListenError(`Cannot listen on ${where.trim()}: ${cause.message}. Choose another port or address.`, {
          cause,
        }),
      );
    });
    server.listen({ port, backlog: 511, ...(address !== undefined && { host: address }) }, () => {
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

/** The two ends of a connected socket. */
export function endpointsOf(socket: Socket): { readonly local: Endpoint; readonly remote: Endpoint } {
  return {
    local: endpointOf(socket.localAddress, socket.localPort),
    remote: endpointOf(socket.remoteAddress, socket.remotePort),
  };
}

function endpointOf(address: string | undefined, port: number | undefined): Endpoint {
  // A socket that has just died has no addresses any more; its owner will find that out by itself.
  return { address: canonicalAddress(address?.replace(/%.*$/, '') ?? '') ?? '0.0.0.0', port: port ?? 0 };
}
