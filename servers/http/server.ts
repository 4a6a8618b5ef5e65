import { createServer, type ServerOptions, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { combineLatest, NEVER, noop, Observable, of, Subscription, type SchedulerLike } from 'rxjs';
import { siteOf } from '../../lib/bounds/site.js';
import { MAX_TIMER_MS } from '../../lib/config.js';
import { withDefaults } from '../../lib/config/resolve.js';
import { canonicalAddress, type Endpoint } from '../../lib/endpoint.js';
import { LISTEN_BACKLOG, listenErrorOf } from '../../lib/link/tcp.js';
import { systemRuntime } from '../../lib/runtime.js';
import { expectInteger } from '../../lib/validate.js';
import { siteOfCaller, type Caller } from '../callers/caller.js';
import { Callers } from '../callers/callers.js';
import { onDrain, serveWith, type DrainConfig } from '../drain.js';
import type { HeldCertificate } from '../tls/held-certificate.js';
import { Unread } from '../unread.js';
import { unwatched, type Watch } from '../watch.js';
import { Connection } from './connection.js';
import { answer, answerUpgrade, nothing, refuse } from './dispatch.js';
import { frontOf } from './front.js';
import { DEFAULT_HTTP_LIMITS, type HttpServerLimits } from './limits.js';
import { Room, type Place } from './room.js';
import type { HttpService } from './service.js';
import { watchedService } from './watched-service.js';

/** The options of an HTTP server. */
interface HttpServerConfig extends DrainConfig {
  /** The local address. Default: all. */
  readonly bind?: string | undefined;
  readonly port: number;
  readonly limits?: Partial<HttpServerLimits> | undefined;
  /** The addresses and networks (CIDR) of proxies that are believed when they say who calls. Default: none. */
  readonly trustProxy?: readonly string[] | undefined;
  /** By which callers that begin with TLS are answered. Default: HTTP alone is spoken. */
  readonly certificate?: HeldCertificate | undefined;
  /** The services. The first that accepts a request answers it. Each emits once it is ready, and is closed by unsubscribing. */
  readonly services: readonly Observable<HttpService>[];
  /** Told of what the server does. Default: nobody is. */
  readonly watch?: Watch | undefined;
}

/** An HTTP server that runs. */
export interface HttpServer {
  /** Where it listens. */
  readonly local: Endpoint;
}

/**
 * Runs an HTTP server, with the services on it, for as long as it is subscribed to. Emits once it listens. Completes only when it is
 * drained.
 *
 * A connection has one request at a time: what comes before the answer has gone out is not read, and the connection is closed behind
 * that answer (RFC 9112 §9.3.2: the client asks again on another).
 *
 * @throws ListenError when the port cannot be listened on; and whatever a service fails with.
 */
export function httpServer$(
  { services, ...config }: HttpServerConfig,
  scheduler: SchedulerLike = systemRuntime.scheduler,
): Observable<HttpServer> {
  const { watch = unwatched } = config;
  return combineLatest([of(undefined), ...services]).pipe(
    serveWith(([, ...ready]) => listening$(config, [...ready, watchedService('none', nothing, watch)], scheduler)),
  );
}

function listening$(
  {
    bind,
    port,
    limits: overrides,
    trustProxy,
    certificate,
    watch = unwatched,
    drain$ = NEVER,
  }: Omit<HttpServerConfig, 'services'>,
  services: readonly HttpService[],
  scheduler: SchedulerLike,
): Observable<HttpServer> {
  return new Observable((subscriber) => {
    expectInteger('port', port, 0, 65535);
    const limits = withDefaults('limits', DEFAULT_HTTP_LIMITS, overrides, MAX_TIMER_MS);
    const callers = new Callers(trustProxy, scheduler);
    const unread = new Unread(limits, scheduler);
    const room = new Room(limits);
    // Connections by socket, or by TLS stream, until they are upgraded; places by socket. Little is kept of each, since there may be very
    // many that only wait.
    const connections = new Map<Socket, Connection>();
    const places = new Map<Socket, Place>();
    let arrived = 0;
    const turnAway = (response: ServerResponse, { address }: Caller) => {
      watch.refused('http', 'too-many-connections', siteOf(address));
      refuse(response, 'full');
    };
    const http = createServer(timesOf(limits), (request, response) => {
      if (!front.listening) response.setHeader('connection', 'close');
      const connection = connections.get(request.socket);
      if (connection?.isFree(response) !== true) return;
      const caller = callers.asking(connection.caller, request.headers);
      if (caller === undefined) refuse(response, 'headers');
      else if (connection.countBy(caller, response)) answer({ request, response, caller }, services);
      else turnAway(response, caller);
    });
    http.on('upgrade', (request, _, head) => {
      const { socket } = request;
      const connection = connections.get(socket);
      socket.off('close', closed);
      forgetHttp(socket);
      answerUpgrade(request, head, (response, upgrade) => {
        const caller = connection && callers.asking(connection.caller, request.headers);
        if (connection === undefined || caller === undefined) refuse(response, 'headers');
        else if (connection.keepBy(caller)) answer({ request, response, caller, upgrade }, services);
        else turnAway(response, caller);
      });
    });
    const forget = watch.gauge('httpConnections', () => places.size);
    function left(this: Socket): void {
      places.get(this)?.leave();
      places.delete(this);
    }
    /** Closes a connection over the limit, or another that gives way to it, so that no site takes all connections. */
    const enter = (socket: Socket, caller: Caller): Place | undefined => {
      const place = room.enter(siteOfCaller(caller, ++arrived), socket);
      if (place === undefined) {
        watch.refused('http', 'too-many-connections', siteOf(caller.address));
        socket.destroy();
        return undefined;
      }
      places.set(socket, place);
      socket.on('close', left);
      return place;
    };
    const forgetHttp = (stream: Socket) => {
      const connection = connections.get(stream);
      connections.delete(stream);
      if (connection !== undefined) unread.forget(connection);
    };
    function closed(this: Socket): void {
      forgetHttp(this);
    }
    const opened = (stream: Socket, caller: Caller, place: Place) => {
      connections.set(stream, new Connection(stream, caller, place, unread));
      stream.on('close', closed);
    };
    const front = frontOf(http, {
      callers,
      hasProxies: trustProxy !== undefined,
      certificate,
      silentMs: limits.requestMs,
      scheduler,
      enter,
      opened,
    });
    // Else Node answers them itself, one after the other, however many of the answers wait for a client that does not read.
    http.on('checkExpectation', (request, response) => http.emit('request', request, response));
    const fail = (cause: Error) => {
      subscriber.error(listenErrorOf(cause, { address: bind, port }));
    };
    front.once('error', fail);
    front.listen({ port, backlog: LISTEN_BACKLOG, ...(bind !== undefined && { host: bind }) }, () => {
      // From now on an error is of one connection that the system could not accept, as without descriptors: others can come.
      front.off('error', fail).on('error', noop);
      const bound = front.address();
      if (bound === null || typeof bound === 'string') return;
      subscriber.next({ local: { address: canonicalAddress(bound.address) ?? bound.address, port: bound.port } });
    });
    const draining = new Subscription();
    const onceDrained = onDrain(drain$, () => {
      for (const connection of connections.values()) connection.isLast();
      http.closeIdleConnections();
      // Node does not look any more who takes too long to ask.
      draining.add(
        scheduler.schedule(() => {
          for (const connection of connections.values()) connection.dropSilent();
        }, limits.requestMs),
      );
      front.close(() => {
        subscriber.complete();
      });
    });
    return () => {
      onceDrained.unsubscribe();
      draining.unsubscribe();
      forget();
      unread.close();
      callers.close();
      front.close();
      http.close();
      http.closeAllConnections();
      // Node leaves those alone that were upgraded.
      for (const socket of places.keys()) socket.destroy();
    };
  });
}

function timesOf({ requestMs }: HttpServerLimits): ServerOptions {
  return {
    // Both limits end with the request, so that neither cuts a response that waits.
    requestTimeout: requestMs,
    headersTimeout: requestMs,
    keepAliveTimeout: requestMs,
    // Node checks for timeouts every 30 s by default.
    connectionsCheckingInterval: Math.ceil(requestMs / 4),
  };
}
