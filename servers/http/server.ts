import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { combineLatest, noop, Observable, of, switchMap, type SchedulerLike } from 'rxjs';
import { MAX_TIMER_MS, withDefaults } from '../../lib/config.js';
import { Admission } from '../../lib/bounds/admission.js';
import { Gathered } from '../../lib/bounds/gathered.js';
import { siteOf } from '../../lib/bounds/site.js';
import { canonicalAddress, withoutZone, type Endpoint } from '../../lib/endpoint.js';
import { ListenError } from '../../lib/errors.js';
import { KEEP_ALIVE_MS } from '../../lib/link/tcp.js';
import { systemRuntime } from '../../lib/runtime.js';
import { expectInteger } from '../../lib/validate.js';
import { DEFAULT_UNREAD_LIMITS, Unread, type UnreadLimits } from '../unread.js';

/** What an HTTP server bears, whatever its services are. */
export interface HttpServerLimits extends UnreadLimits {
  /**
   * Connections in all. A parked long poll holds one. With as many, a newcomer takes the place of the newest of the site that has
   * most.
   */
  readonly connections: number;
  /** Connections from one site, an IPv4 address or IPv6 /48: a household, an office, a small carrier NAT. */
  readonly connectionsPerHost: number;
  /**
   * Whoever takes longer than this to send a request is not asking, in milliseconds; so is a connection that has no
   * request on it for as long. An answer may take its time.
   */
  readonly requestMs: number;
}

export const DEFAULT_HTTP_LIMITS: HttpServerLimits = {
  ...DEFAULT_UNREAD_LIMITS,
  connections: 20_000,
  connectionsPerHost: 256,
  requestMs: 5_000,
};

/** A request, and the place for its answer. */
export interface Exchange {
  readonly method: string;
  /** Its path and query. The host is of no meaning: it is what the caller wrote. */
  readonly url: URL;
  /** The caller's address, in canonical text. Headers that claim another are not believed. */
  readonly address: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What the caller would like to change to, where it says so. An answer in its place ends the connection. */
  readonly upgrade?: Upgrade | undefined;
}

/** Another protocol that a caller would like to speak on the same connection (RFC 9110 §7.8). */
export interface Upgrade {
  /** The Upgrade header, in lower case. */
  readonly protocol: string;
  /**
   * Agrees to that (101), and hands the connection over: paused, without delay, its errors listened to. It belongs to whoever
   * takes it, who bounds what waits in it, too; when the server is closed it is closed.
   */
  readonly accept: () => Socket;
}

/** Answers a request that is for it, now or later. Returns whether it is. */
export type HttpService = (exchange: Exchange) => boolean;

/** What an HTTP server is made of. */
export interface HttpServerConfig {
  /** The local address. Default: all. */
  readonly bind?: string | undefined;
  readonly port: number;
  readonly limits?: Partial<HttpServerLimits> | undefined;
  /** Services, the first that wants a request answers it. Each emits once it is ready, and is closed by unsubscribing. */
  readonly services: readonly Observable<HttpService>[];
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
  { bind, port, limits, services }: HttpServerConfig,
  scheduler: SchedulerLike = systemRuntime.scheduler,
): Observable<HttpServer> {
  return combineLatest([of(undefined), ...services]).pipe(
    switchMap(([, ...ready]) => listening$(bind, port, limits, ready, scheduler)),
  );
}

function listening$(
  bind: string | undefined,
  port: number,
  given: Partial<HttpServerLimits> | undefined,
  services: readonly HttpService[],
  scheduler: SchedulerLike,
): Observable<HttpServer> {
  return new Observable((subscriber) => {
    expectInteger('port', port, 0, 65535);
    const limits = withDefaults('limits', DEFAULT_HTTP_LIMITS, given, MAX_TIMER_MS);
    const times = {
      // Both end with the request, so that neither cuts an answer that waits.
      requestTimeout: limits.requestMs,
      headersTimeout: limits.requestMs,
      keepAliveTimeout: limits.requestMs,
      // Node looks every 30 s whether a time is over, unless told otherwise.
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
    admitConnections(server, limits, (socket, site) => {
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
      unread.close();
      server.close();
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
    };
  });
}

/** Hangs up on those for whom there is no room, or no more room: nobody shall take the connections of all others. */
function admitConnections(
  server: Server,
  { connections, connectionsPerHost }: HttpServerLimits,
  take: (socket: Socket, site: string) => void,
): void {
  const room = new Admission<Socket>({ most: connections, mostOfSite: connectionsPerHost });
  server.on('connection', (socket) => {
    const site = siteOf(canonicalAddress(withoutZone(socket.remoteAddress ?? '')));
    const { isIn, gaveWay } = room.admit(site, socket);
    gaveWay?.destroy();
    if (!isIn) {
      socket.destroy();
      return;
    }
    socket.once('close', () => {
      room.leave(site, socket);
    });
    take(socket, site);
  });
}

/** A connection of an HTTP server, which has one request at a time. */
class Connection {
  #answering: ServerResponse | undefined;
  #isClosing = false;

  /**
   * @param look is called when an answer was written.
   */
  constructor(
    readonly socket: Socket,
    readonly look: () => void,
  ) {}

  /**
   * Whether a request may be answered: that before it has been, and its answer has gone to the system. If not, nothing more is read,
   * and the connection is closed behind that answer.
   */
  isFree(response: ServerResponse): boolean {
    const before = this.#answering;
    if (before !== undefined) {
      this.#closeBehind(before);
      return false;
    }
    this.#answering = response;
    response.once('prefinish', this.look);
    response.once('finish', () => {
      this.#answering = undefined;
    });
    return true;
  }

  #closeBehind(response: ServerResponse): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.socket.pause();
    if (!response.headersSent) response.setHeader('connection', 'close');
    response.once('finish', () => {
      this.socket.destroySoon();
    });
  }
}

/**
 * A request for an upgrade is offered to the services as any other. Whoever does not want the upgrade may answer it as if it
 * were none, and many clients ask for one that nobody has to want, such as `h2c`.
 */
function answerUpgrade(request: IncomingMessage, head: Buffer, services: readonly HttpService[]): void {
  const { socket } = request;
  // Node has taken its own listeners off; this one stays.
  socket.on('error', noop);
  const response = new ServerResponse(request);
  try {
    response.assignSocket(socket);
  } catch {
    // It has asked before, and does not wait for the answer: nobody could tell whose is whose.
    socket.destroy();
    return;
  }
  response.setHeader('connection', 'close');
  response.once('finish', () => {
    socket.destroySoon();
  });
  if (request.method !== 'GET') {
    // Its body is not read any more.
    say(response, 400, 'An upgrade goes with GET alone.\n');
    return;
  }
  const protocol = (request.headers.upgrade ?? '').toLowerCase();
  const accept = () => {
    response.detachSocket(socket);
    socket.setTimeout(0).setKeepAlive(true, KEEP_ALIVE_MS);
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
    if (head.length > 0) socket.unshift(head);
    return socket;
  };
  answer(request, response, services, { protocol, accept });
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  services: readonly HttpService[],
  upgrade?: Upgrade,
): void {
  const { method = '', url: target = '', socket } = request;
  const address = canonicalAddress(withoutZone(socket.remoteAddress ?? ''));
  const url = URL.canParse(target, 'http://server') ? new URL(target, 'http://server') : undefined;
  const isTaken =
    url !== undefined &&
    address !== undefined &&
    services.some((service) => service({ method, url, address, request, response, upgrade }));
  if (!isTaken) say(response, 404, 'There is nothing here. Try /address.\n');
}

/** Does something when a response is over, or its caller has gone: at once where that has happened already, which is not told again. */
export function whenGone(response: ServerResponse, action: () => void): void {
  if (response.closed || response.socket?.destroyed === true) action();
  else response.once('close', action);
}

/** Answers with text. */
export function say(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  const headers = { 'content-type': type, 'content-length': Buffer.byteLength(text), 'cache-control': 'no-store' };
  response.writeHead(status, headers).end(text);
}

/** Answers with JSON. */
export function sayJson(response: ServerResponse, value: unknown, status = 200): void {
  say(response, status, JSON.stringify(value), 'application/json');
}

/**
 * The body of a request: `undefined` when it is longer than that, or the caller went away. The connection of a body that is
 * too long is closed after the answer, so that nobody has to read the rest.
 *
 * @param maxBytes the longest that is read.
 */
export async function bodyOf({ request, response }: Exchange, maxBytes: number): Promise<Buffer | undefined> {
  const body = new Gathered();
  let length = 0;
  try {
    // An iteration that is left destroys the request, and the answer with it.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      if (!Buffer.isBuffer(chunk)) return undefined;
      length += chunk.length;
      if (length > maxBytes) break;
      body.push(chunk);
    }
  } catch {
    return undefined;
  }
  if (length <= maxBytes) return body.take();
  response.setHeader('connection', 'close');
  response.once('finish', () => {
    request.destroy();
  });
  return undefined;
}
