import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { combineLatest, map, Observable, of, switchMap, type SchedulerLike } from 'rxjs';
import { Admission } from '../../lib/bounds/admission.js';
import { siteOf } from '../../lib/bounds/site.js';
import { MAX_TIMER_MS } from '../../lib/config.js';
import { withDefaults } from '../../lib/config/resolve.js';
import { canonicalAddress, withoutZone, type Endpoint } from '../../lib/endpoint.js';
import { ListenError } from '../../lib/errors.js';
import { systemRuntime } from '../../lib/runtime.js';
import { expectInteger } from '../../lib/validate.js';
import { Unread } from '../unread.js';
import { unwatched, type Watch } from '../watch.js';
import { Connection } from './connection.js';
import { answer, answerUpgrade, nothing } from './dispatch.js';
import { DEFAULT_HTTP_LIMITS, type HttpServerLimits } from './limits.js';
import type { HttpService } from './service.js';
import { watchedService } from './watched-service.js';

/** The options of an HTTP server. */
interface HttpServerConfig {
  /** The local address. Default: all. */
  readonly bind?: string | undefined;
  readonly port: number;
  readonly limits?: Partial<HttpServerLimits> | undefined;
  /** The services. The first that accepts a request answers it. Each emits once it is ready, and is closed by unsubscribing. */
  readonly services: readonly Observable<HttpService>[];
  /** Told of what the server does. Default: nobody is. */
  readonly watch?: Watch | undefined;
}

/** An HTTP server that runs. */
export interface HttpServer {
  readonly local: Endpoint;
}

/**
 * Runs an HTTP server, with the services on it, for as long as it is subscribed to. Emits once it listens.
 *
 * A connection has one request at a time: what comes before the answer has gone out is not read, and the connection is closed behind
 * that answer (RFC 9112 §9.3.2: the client asks again on another).
 *
 * @throws ListenError when the port cannot be listened on; and whatever a service fails with.
 */
export function httpServer$(
  { bind, port, limits, services, watch = unwatched }: HttpServerConfig,
  scheduler: SchedulerLike = systemRuntime.scheduler,
): Observable<HttpServer> {
  return combineLatest([of(undefined), ...services]).pipe(
    switchMap(([, ...ready]) =>
      listening$({ bind, port, limits, watch }, [...ready, watchedService('none', nothing, watch)], scheduler),
    ),
  );
}

/** The options of an HTTP server that has one service. */
interface OneServiceConfig extends Omit<HttpServerConfig, 'port' | 'services'> {
  /** Default: 8080. */
  readonly port?: number | undefined;
}

/** Runs an HTTP server for one service. Emits once it listens: where, with all that is known of the service. */
export function serveAlone$<T extends { readonly service: HttpService }>(
  running$: Observable<T>,
  { port = 8080, ...config }: OneServiceConfig,
  scheduler: SchedulerLike,
): Observable<HttpServer & Omit<T, 'service'>> {
  return running$.pipe(
    switchMap(({ service, ...rest }) =>
      httpServer$({ ...config, port, services: [of(service)] }, scheduler).pipe(
        map(({ local }) => ({ local, ...rest })),
      ),
    ),
  );
}

function listening$(
  { bind, port, limits: overrides, watch = unwatched }: Omit<HttpServerConfig, 'services'>,
  services: readonly HttpService[],
  scheduler: SchedulerLike,
): Observable<HttpServer> {
  return new Observable((subscriber) => {
    expectInteger('port', port, 0, 65535);
    const limits = withDefaults('limits', DEFAULT_HTTP_LIMITS, overrides, MAX_TIMER_MS);
    const times = {
      // Both limits end with the request, so that neither cuts a response that waits.
      requestTimeout: limits.requestMs,
      headersTimeout: limits.requestMs,
      keepAliveTimeout: limits.requestMs,
      // Node checks for timeouts every 30 s by default.
      connectionsCheckingInterval: Math.ceil(limits.requestMs / 4),
    };
    const unread = new Unread(limits, scheduler);
    const connections = new Map<Socket, Connection>();
    const server = createServer(times, (request, response) => {
      const connection = connections.get(request.socket);
      if (connection?.isFree(response) === true) answer(request, response, services);
    });
    // Node leaves these alone when it closes all connections.
    const upgraded = new Set<Socket>();
    server.on('upgrade', (request, _, head) => {
      const { socket } = request;
      connections.delete(socket);
      upgraded.add(socket);
      socket.once('close', () => upgraded.delete(socket));
      answerUpgrade(request, head, services);
    });
    const forget = watch.gauge('httpConnections', () => connections.size + upgraded.size);
    admitConnections(server, limits, watch, (socket, site) => {
      connections.set(socket, new Connection(socket, unread.watch({ socket, site })));
      socket.once('close', () => connections.delete(socket));
    });
    server.on('error', (cause) => {
      subscriber.error(new ListenError(`Cannot listen on port ${port}: ${cause.message}. Choose another.`, { cause }));
    });
    server.listen({ port, ...(bind !== undefined && { host: bind }) }, () => {
      const bound = server.address();
      if (bound === null || typeof bound === 'string') return;
      subscriber.next({ local: { address: canonicalAddress(bound.address) ?? bound.address, port: bound.port } });
    });
    return () => {
      forget();
      unread.close();
      server.close();
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
    };
  });
}

/** Closes connections over the limit, or evicts others for them, so that no site takes all connections. */
function admitConnections(
  server: Server,
  { connections, connectionsPerHost }: HttpServerLimits,
  watch: Watch,
  take: (socket: Socket, site: string) => void,
): void {
  const room = new Admission<Socket>({ most: connections, mostOfSite: connectionsPerHost });
  server.on('connection', (socket) => {
    const site = siteOf(canonicalAddress(withoutZone(socket.remoteAddress ?? '')));
    const { isIn, gaveWay } = room.admit(site, socket);
    gaveWay?.destroy();
    if (!isIn) {
      watch.refused('http', 'too-many-connections', site);
      socket.destroy();
      return;
    }
    socket.once('close', () => {
      room.leave(site, socket);
    });
    take(socket, site);
  });
}
