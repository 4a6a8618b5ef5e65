import type { Socket } from 'node:net';
import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  endWith,
  filter,
  finalize,
  map,
  merge,
  mergeMap,
  of,
  retry,
  switchMap,
  type Observable,
} from 'rxjs';
import { Admission } from '../bounds/admission.js';
import { siteOf } from '../bounds/site.js';
import type { CloseReason } from '../connection/close-reason.js';
import type { Channel, Connection } from '../connection/connection.js';
import type { Endpoint } from '../endpoint.js';
import { reasonOf, TooManyChannelsError } from '../errors.js';
import { endpointsOf, listen$, type Listener } from '../link/tcp.js';
import type { ConnectOptions, Net } from '../net/interface.js';
import { joined$, RESET_CODE, resetSocket } from './joined.js';

/** Where to listen, and for which service. */
export interface ForwardPortConfig {
  /** The name by which the peer exposes the service. */
  readonly name: string;
  /** The local address to listen on. Default: `127.0.0.1`, so that only programs of this machine can use it. */
  readonly host?: string | undefined;
  /** The local port; with 0, the default, the system chooses. */
  readonly port?: number | undefined;
  /** How to connect to the peer. */
  readonly connect?: ConnectOptions | undefined;
  /** How many clients there may be at once; one above that is reset. Default: 4096. */
  readonly clients?: number | undefined;
}

/** A forwarded port listens. */
export interface PortListening {
  /** What has happened. */
  readonly type: 'listening';
  /** Where it listens. */
  readonly local: Endpoint;
}

/** A client did not get to the service. */
export interface ClientFailed {
  /** What has happened. */
  readonly type: 'failed';
  /** What went wrong, in words. */
  readonly reason: string;
}

/** What a forwarded port tells: where it listens, first; and each client that did not get to the service. */
export type ForwardStep = PortListening | ClientFailed;

const CLIENTS = 4_096;

/** A client on its way. */
interface Client {
  readonly socket: Socket;
}

/** A client for which there is a connection. */
interface Connected extends Client {
  readonly connection: Connection;
}

/** A client that has a channel. */
interface Opened extends Client {
  readonly channel: Channel;
}

/**
 * Listens on a local TCP port, and leads each client to a service that a peer exposes by {@link exposePort$}, on a channel of its own. It
 * connects to the peer when a client comes and there is no connection, so it goes on when the peer was away. A client that does not get
 * to the service is reset, and so are all when it is unsubscribed from.
 *
 * @param unl the peer's locator.
 * @returns a cold Observable: first where it listens, then what fails. It does not complete.
 * @throws ListenError (`LISTEN_FAILED`) when the port cannot be listened on.
 *
 * @example
 * forwardPort$(net, unl, { name: 'web' }).subscribe({ next: console.log, error: console.error });
 */
export function forwardPort$(
  net: Pick<Net, 'connect$'>,
  unl: string,
  { name, host = '127.0.0.1', port = 0, connect = {}, clients = CLIENTS }: ForwardPortConfig,
): Observable<ForwardStep> {
  const connected$ = (client: Client): Observable<Connected | ForwardStep> =>
    net.connect$(unl, connect).pipe(
      map((connection) => ({ ...client, connection })),
      catchError((error: unknown) => failed$(client, error)),
    );
  const opened$ = ({ connection, ...client }: Connected): Observable<Opened | ForwardStep> =>
    defer(() =>
      // It may have left while others were waited for.
      client.socket.destroyed
        ? EMPTY
        : of({ ...client, channel: connection.openChannel(name, { allowHalfOpen: true }) }),
    ).pipe(
      retry({
        delay: (error: unknown) => {
          // When the connection has ended, a channel of it has, too, which resets the client.
          if (error instanceof TooManyChannelsError) return connection.channelRoom$.pipe(endWith(undefined));
          throw error;
        },
      }),
      catchError((error: unknown) => failed$(client, error)),
    );
  const led$ = ({ socket, channel }: Opened): Observable<ForwardStep> =>
    joined$(socket, channel).pipe(
      mergeMap((reason) => (isFailure(reason) ? of({ type: 'failed', reason: reason.message } as const) : EMPTY)),
    );
  return listen$({ address: host, port }).pipe(
    switchMap(({ local, socket$ }) =>
      merge(
        of({ type: 'listening', local } as const),
        admitted$(socket$, clients).pipe(
          mergeMap(connected$),
          // One after the other: where the peer has no room, the first that came is the first to get some.
          concatMap((step) => ('connection' in step ? opened$(step) : of(step))),
          mergeMap((step) => ('channel' in step ? led$(step) : of(step))),
        ),
      ),
    ),
  );
}

/** Those for whom there is room; all are reset when it is unsubscribed from. */
function admitted$(socket$: Listener['socket$'], most: number): Observable<Client> {
  return defer(() => {
    const room = new Admission<Socket>({ most });
    const sockets = new Set<Socket>();
    return socket$.pipe(
      filter((socket) => {
        const site = siteOf(endpointsOf(socket).remote.address);
        const { isIn, gaveWay } = room.admit(site, socket);
        if (gaveWay !== undefined) resetSocket(gaveWay);
        if (!isIn) resetSocket(socket);
        else {
          sockets.add(socket);
          socket.once('close', () => {
            sockets.delete(socket);
            room.leave(site, socket);
          });
        }
        return isIn;
      }),
      map((socket) => ({ socket })),
      finalize(() => {
        for (const socket of sockets) resetSocket(socket);
      }),
    );
  });
}

function failed$({ socket }: Client, error: unknown): Observable<ForwardStep> {
  resetSocket(socket);
  return of({ type: 'failed', reason: reasonOf(error) });
}

/** Whether the channel has not led to the service. */
function isFailure({ code, by, resetCode }: CloseReason): boolean {
  if (by === 'us') return false;
  return (
    code === 'refused' || (code === 'reset' && (resetCode === RESET_CODE.unreachable || resetCode === RESET_CODE.busy))
  );
}
