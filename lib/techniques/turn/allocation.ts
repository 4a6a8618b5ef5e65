import type { Socket } from 'node:net';
import {
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  map,
  merge,
  mergeMap,
  Observable,
  of,
  repeat,
  retry,
  share,
  switchMap,
  timer,
} from 'rxjs';
import type { Endpoint } from '../../endpoint.js';
import { DialError } from '../../errors.js';
import { endpointsOf } from '../../link/tcp.js';
import { ignoreErrors } from '../../operators/ignore-errors.js';
import { decodeStun } from '../../stun/messages.js';
import {
  allocatedIn,
  allocation,
  connectionAttemptIn,
  connectionId,
  connectionIdIn,
  lifetime,
  lifetimeIn,
  peerAddress,
  peerEndpoint,
  TURN_METHOD,
} from '../../stun/turn.js';
import { formatTurn, type TurnServer } from '../../stun/turn-name.js';
import { TurnRefusedError, TurnSession, type TurnRequest } from './session.js';
import { controlWire, dataWire, open$, type WireConfig } from './wire.js';

/** A peer that has dialled an allocation. */
export interface Arrival {
  readonly socket: Socket;
  /** The address at which the server sees the peer. */
  readonly seenAt: string;
}

/** An endpoint of TCP at a TURN server, where peers that are permitted reach this node. */
export interface Allocation {
  /** Where peers dial. */
  readonly relayed: Endpoint;
  /** Permits a peer's address for as long as it is subscribed to: emits once that holds. */
  readonly permit$: (address: string) => Observable<unknown>;
  /** Each connection of a peer. A subscriber takes it; without one they end at the server. */
  readonly arrival$: Observable<Arrival>;
  /**
   * Has the server dial an endpoint of a peer (RFC 6062 §4.3), which needs no permission. Emits a socket that leads there and completes;
   * unsubscribed before that, it gives up, and the server closes what it has opened.
   *
   * @throws TurnRefusedError with 447 where the server cannot connect, and as for any request.
   */
  readonly connect$: (endpoint: Endpoint) => Observable<Socket>;
}

/** What it takes to have an allocation. */
export interface AllocationConfig extends WireConfig {
  /** The family of addresses of the peers. */
  readonly family: 4 | 6;
}

/** For how long an allocation is asked for, in seconds: the server's default (RFC 8656 §3.2), so that a crash leaves nothing for longer. */
const LIFETIME_S = 600;

/** A renewal that is lost can be asked for again: after half of the time. */
const RENEWALS = 2;

/** The shortest pause between two renewals, in milliseconds, however short a time the server says. */
const LEAST_MS = 10_000;

/** A permission holds for 5 minutes (RFC 8656 §9); it is renewed after 4, in milliseconds. */
const PERMISSION_MS = 240_000;

/** The code of a connection that has an allocation already (RFC 8656 §7.2). */
const MISMATCH = 437;

/** Connections of peers that are taken at once. Others at the peer's address may dial, too. */
const MAX_TAKING = 4;

/**
 * Has a TURN server listen for peers: an allocation of TCP (RFC 6062). Emits it once, keeps it for as long as it is subscribed to,
 * and gives it back then. Nothing on its sockets is authenticated: secure them with TLS.
 *
 * @throws TurnRefusedError (a DialError) when the server refuses; DialError, TimeoutError or ClosedError when it cannot be reached, does not
 * answer, or the connection ends.
 */
export function allocate$(server: TurnServer, config: AllocationConfig): Observable<Allocation> {
  return open$(server, config).pipe(
    switchMap((stream) => allocationOver$(stream, server, config)),
    retry({
      count: 1,
      delay: (error: unknown) => {
        // The server still knows a connection from the same port of this node, or of its NAT. The next has another.
        if (error instanceof TurnRefusedError && error.refusal === MISMATCH) return of(undefined);
        throw error;
      },
    }),
  );
}

function allocationOver$(stream: Socket, server: TurnServer, config: AllocationConfig): Observable<Allocation> {
  return defer(() => {
    const { scheduler } = config.runtime;
    const { remote } = endpointsOf(stream);
    const session = new TurnSession(server, config);
    const control = controlWire(stream);
    const wire = { ...control, message$: control.message$.pipe(share()) };
    const ask$ = (request: TurnRequest) => session.ask$(wire, request);
    let isAllocated = false;

    const refreshed$ = (seconds: number): Observable<never> =>
      timer(Math.max(LEAST_MS, (Math.min(LIFETIME_S, seconds) * 1_000) / RENEWALS), scheduler).pipe(
        switchMap(() => ask$({ method: TURN_METHOD.refresh, attributesOf: () => [lifetime(LIFETIME_S)] })),
        switchMap((answer) => refreshed$(lifetimeIn(answer) ?? LIFETIME_S)),
      );
    const permit$ = (address: string) =>
      ask$({
        method: TURN_METHOD.createPermission,
        attributesOf: (transaction) => [peerAddress(address, transaction)],
      }).pipe(repeat({ delay: () => timer(PERMISSION_MS, scheduler) }));
    const bind$ = (id: Uint8Array) =>
      open$(server, config, remote).pipe(
        switchMap((data) => handedOver$(data, session.ask$(dataWire(data), bindingOf(id)))),
      );
    const connect$ = (endpoint: Endpoint) =>
      ask$({
        method: TURN_METHOD.connect,
        attributesOf: (transaction) => [peerEndpoint(endpoint, transaction)],
      }).pipe(
        switchMap((answer) => {
          const id = connectionIdIn(answer);
          if (id === undefined)
            throw new DialError(`The TURN server ${formatTurn(server)} does not name the connection that it has made`);
          return bind$(id);
        }),
      );
    let taking = 0;
    const arrival$ = wire.message$.pipe(
      map((bytes) => decodeStun(bytes)),
      map((message) => message && connectionAttemptIn(message)),
      mergeMap((dialled) => {
        if (dialled === undefined || taking >= MAX_TAKING) return EMPTY;
        taking++;
        return bind$(dialled.id).pipe(
          map((socket): Arrival => ({ socket, seenAt: dialled.peer.address })),
          ignoreErrors(),
          finalize(() => taking--),
        );
      }),
    );
    const allocated$ = ask$({
      method: TURN_METHOD.allocate,
      attributesOf: () => [...allocation(config.family), lifetime(LIFETIME_S)],
    }).pipe(
      switchMap((answer) => {
        const allocated = allocatedIn(answer);
        if (allocated === undefined)
          throw new DialError(`The TURN server ${formatTurn(server)} does not say where it listens`);
        isAllocated = true;
        return merge(of({ relayed: allocated.relayed, permit$, arrival$, connect$ }), refreshed$(allocated.seconds));
      }),
    );
    return merge(wire.message$.pipe(ignoreElements()), allocated$).pipe(
      finalize(() => {
        const release = session.sign({ method: TURN_METHOD.refresh, attributesOf: () => [lifetime(0)] });
        const end = () => stream.destroy();
        if (isAllocated && stream.writable) stream.end(release, end);
        else end();
      }),
    );
  });
}

function bindingOf(id: Uint8Array): TurnRequest {
  return { method: TURN_METHOD.connectionBind, attributesOf: () => [connectionId(id)] };
}

/** Emits a socket once something has been done by it, and completes; where that fails, and when unsubscribed from before, it closes the socket. */
function handedOver$(socket: Socket, done$: Observable<unknown>): Observable<Socket> {
  return new Observable((subscriber) => {
    let isHandedOver = false;
    subscriber.add(() => {
      if (!isHandedOver) socket.destroy();
    });
    subscriber.add(
      done$.subscribe({
        next: () => {
          isHandedOver = true;
          subscriber.next(socket);
          subscriber.complete();
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
      }),
    );
  });
}
