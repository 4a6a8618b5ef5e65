import { catchError, concat, defer, filter, finalize, map, NEVER, of, switchMap, take, type Observable } from 'rxjs';
import type { Socket } from 'node:net';
import { canonicalAddress, formatServer, isPort, type Endpoint, type ServerAddress } from '../endpoint.js';
import { reasonOf } from '../errors.js';
import { LinesOverSocket } from '../link/lines-over-socket.js';
import { endpointsOf } from '../link/tcp.js';
import type { PortSample } from '../nat/classify.js';
import { within } from '../operators/within.js';
import type { RendezvousAddress } from '../rendezvous-name.js';
import { parseJsonObject } from '../validate.js';
import type { Look, Sighting } from './dialect.js';
import { errorOf, unseenError } from './errors.js';
import { REPLY_MAX_BYTES } from './messages.js';
import { openLines$ } from './open-lines.js';
import type { SessionConfig } from './session.js';
import { seenByStun$ } from './stun.js';

/** The options of a session, but for the key: an observer proves nothing. */
export type ObserveConfig = Pick<SessionConfig, 'bind' | 'dialect' | 'runtime' | 'timing'>;

/** A server that tells where it sees a connection come from: a rendezvous server, where nothing else is said. */
export interface Observer extends RendezvousAddress {
  /** Where it is asked by HTTP. */
  readonly path?: string | undefined;
  /** Whether it is asked by STUN. */
  readonly isStun?: boolean | undefined;
  /** Whether it is asked by HTTPS, or by STUN over TLS. */
  readonly isSecure?: boolean | undefined;
  /** The address to go to, where the server's name has been looked up. */
  readonly at?: string | undefined;
}

/** Where a server saw a connection come from. */
export interface Observation extends PortSample, Sighting {
  /** The server, as it was named. */
  readonly observer: Observer;
  /** To the server and back, in milliseconds, as the opening of the connection has shown. */
  readonly roundTripMs: number;
}

/**
 * Asks a server where it sees a connection from a local port come from. Takes two round trips: the server can answer only what
 * has been accepted. Emits once; the connection, and with it the mapping, is held until unsubscribed from (an HTTP server of
 * ours hangs up after 5 s of silence).
 *
 * @param addresses the server's, where its name has been looked up.
 * @throws DialError when the server cannot be reached from this port; RendezvousError when it does not answer.
 *
 * @example
 * observe$({ host: 'rv.example.org', port: 8000 }, 40_000, config).subscribe(({ observed }) => console.log(observed));
 */
export function observe$(
  server: Observer,
  localPort: number,
  config: ObserveConfig,
  addresses?: readonly string[],
): Observable<Observation> {
  const { host, port, at = host, isStun } = server;
  const { bind, runtime, timing } = config;
  const { scheduler } = runtime;
  return defer(() => {
    const start = scheduler.now();
    return runtime.dial$({ host: at, port, localAddress: bind, localPort, ...(addresses && { addresses }) }).pipe(
      within(timing.dialMs, () => errorOf(server, `cannot be reached within ${timing.dialMs} ms`), scheduler),
      switchMap((socket) => {
        const roundTripMs = scheduler.now() - start;
        const sighting$ =
          isStun === true ? seenByStun$(server, socket, config) : seenByLines$(server, socket, localPort, config);
        return sighting$.pipe(map((sighting) => ({ localPort, observer: server, roundTripMs, ...sighting })));
      }),
    );
  });
}

/** Asks by the lines of a rendezvous server, or those of HTTP. Emits once, and holds the connection. */
function seenByLines$(
  server: Observer,
  socket: Socket,
  localPort: number,
  config: ObserveConfig,
): Observable<Sighting> {
  const { path } = server;
  const { dialect, runtime, timing } = config;
  return linesTo$(server, socket, config).pipe(
    switchMap(({ lines, remote }) => {
      const { question, seenIn } = path === undefined ? dialect.look(localPort) : lookByHttp(server, path);
      for (const line of question) lines.send(line);
      const observed$ = lines.line$.pipe(
        catchError((why: unknown) => {
          throw errorOf(server, `went away: ${reasonOf(why)}`);
        }),
        map(seenIn),
        filter((observed) => observed !== undefined),
        map((observed) => ({ server: remote, observed })),
      );
      return concat(observed$.pipe(take(1)), NEVER).pipe(
        within(timing.handshakeMs, () => errorOf(server, 'does not say where it sees this node'), runtime.scheduler),
        finalize(() => {
          lines.destroy();
        }),
      );
    }),
  );
}

/** The lines of a rendezvous server, or those of HTTP. */
function linesTo$({ path, isSecure, ...server }: Observer, socket: Socket, config: ObserveConfig) {
  if (path === undefined) return openLines$(server, socket, config);
  const ends = endpointsOf(socket);
  const stream$ = isSecure === true ? config.runtime.webTls$(socket, server.host) : of(socket);
  return stream$.pipe(map((stream) => ({ lines: new LinesOverSocket(stream, REPLY_MAX_BYTES), ...ends })));
}

/** RFC 9112 §3: a request line, a Host header, and an empty line. */
function lookByHttp(server: ServerAddress, path: string): Look {
  return { question: [`GET ${path} HTTP/1.1`, `Host: ${formatServer(server)}`, ''], seenIn: readAddress };
}

/** Of an answer by HTTP one line is JSON. */
function readAddress(line: string): Endpoint | undefined {
  const { address: text, port, reason } = parseJsonObject(line) ?? {};
  if (typeof reason === 'string') throw unseenError();
  const address = typeof text === 'string' ? canonicalAddress(text) : undefined;
  return address !== undefined && typeof port === 'number' && isPort(port) ? { address, port } : undefined;
}
