import {
  catchError,
  concat,
  connect,
  defer,
  filter,
  finalize,
  first,
  map,
  merge,
  NEVER,
  of,
  scan,
  switchMap,
  take,
  takeUntil,
  timer,
  toArray,
  type MonoTypeOperatorFunction,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Socket } from 'node:net';
import { canonicalAddress, familyOf, formatServer, isPort, type Endpoint, type ServerAddress } from '../endpoint.js';
import { reasonOf } from '../errors.js';
import { LinesOverSocket } from '../link/lines-over-socket.js';
import { endpointsOf } from '../link/tcp.js';
import type { PortSample } from '../nat/classify.js';
import { within } from '../operators/within.js';
import type { RendezvousAddress } from '../rendezvous-name.js';
import { parseJsonObject } from '../validate.js';
import type { Look } from './dialect.js';
import { errorOf, unseenError } from './errors.js';
import { REPLY_MAX_BYTES } from './messages.js';
import { openLines$ } from './open-lines.js';
import type { SessionConfig } from './session.js';

/** The options of a session, but for the key: an observer proves nothing. */
export type ObserveConfig = Pick<SessionConfig, 'bind' | 'dialect' | 'runtime' | 'timing'>;

/** A server that tells where it sees a connection come from. */
export interface Observer extends RendezvousAddress {
  /** Where it is asked by HTTP; without it, it is a rendezvous server. */
  readonly path?: string | undefined;
  /** Whether it is asked by HTTPS. */
  readonly isSecure?: boolean | undefined;
  /** The address to go to, where the server's name has been looked up. */
  readonly at?: string | undefined;
}

/** Where a server saw a connection come from. */
export interface Observation extends PortSample {
  /** The server, as it was named. */
  readonly observer: Observer;
  /** To the server and back, in milliseconds, as the opening of the connection has shown. */
  readonly roundTripMs: number;
}

/** Local ports that are looked at to classify a NAT (PyP2P: 5), one after the other, as a NAT with a rule would show it. */
const SAMPLED_PORTS = 5;

/**
 * What is late gets as long again as all that it takes has taken, and once more: time enough for a server that is three times
 * as far, or by the other family, and far less than a server that is down would take.
 */
const GRACE = 2;

/** Servers that each is looked at from: two of each family, the least that tells a mapping that depends on them. */
const SAMPLING_SERVERS = 4;

/**
 * Asks a server where it sees a connection from a local port come from. Takes two round trips: the server can answer only what
 * has been accepted. Emits once; the connection, and with it the mapping, is held until unsubscribed from (an HTTP server of
 * ours hangs up after 5 s of silence).
 *
 * @throws DialError when the server cannot be reached from this port; RendezvousError when it does not answer.
 *
 * @example
 * observe$({ host: 'rv.example.org', port: 8000 }, 40_000, config).subscribe(({ observed }) => console.log(observed));
 */
export function observe$(server: Observer, localPort: number, config: ObserveConfig): Observable<Observation> {
  const { path, host, port, at = host } = server;
  const { bind, dialect, runtime, timing } = config;
  const { scheduler } = runtime;
  return defer(() => {
    const start = scheduler.now();
    return runtime.dial$({ host: at, port, localAddress: bind, localPort }).pipe(
      within(timing.dialMs, () => errorOf(server, `cannot be reached within ${timing.dialMs} ms`), scheduler),
      switchMap((socket) => {
        const roundTripMs = scheduler.now() - start;
        return linesTo$(server, socket, config).pipe(map((open) => ({ ...open, roundTripMs })));
      }),
      switchMap(({ lines, remote, roundTripMs }) => {
        const { question, seenIn } = path === undefined ? dialect.look(localPort) : lookByHttp(server, path);
        for (const line of question) lines.send(line);
        const observed$ = lines.line$.pipe(
          catchError((why: unknown) => {
            throw errorOf(server, `went away: ${reasonOf(why)}`);
          }),
          map(seenIn),
          filter((observed) => observed !== undefined),
          map((observed) => ({ localPort, server: remote, observer: server, observed, roundTripMs })),
        );
        return concat(observed$.pipe(take(1)), NEVER).pipe(
          within(timing.handshakeMs, () => errorOf(server, 'does not say where it sees this node'), scheduler),
          finalize(() => {
            lines.destroy();
          }),
        );
      }),
    );
  });
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

/**
 * Looks at five consecutive local ports from up to four servers, all side by side, so that the whole takes as long as one.
 * Emits what came of it within `timing.natMs`, in the order in which the SYNs were sent, and completes; what failed or is
 * late is left out. A server that says nothing is not waited for that long when two others have told all.
 *
 * @param firstPort the lowest of the local ports.
 *
 * @example
 * sample$(servers, 40_000, config).subscribe((samples) => console.log(classify(samples, localAddresses)));
 */
export function sample$(
  servers: readonly Observer[],
  firstPort: number,
  config: ObserveConfig,
): Observable<readonly Observation[]> {
  const { runtime, timing } = config;
  const localPorts = Array.from({ length: SAMPLED_PORTS }, (_, i) => firstPort + i);
  const looks = localPorts.flatMap((localPort) =>
    servers.slice(0, SAMPLING_SERVERS).map((server) => ({ server, localPort })),
  );
  const observations = looks.map(({ server, localPort }, order) =>
    observe$(server, localPort, config).pipe(
      map((observation) => ({ order, observation })),
      catchError(() => of(undefined)),
    ),
  );
  // Each mapping is kept until the last has been looked at, as it would be in use.
  return merge(...observations).pipe(
    take(looks.length),
    untilEnough(localPorts.length, timing.natMs, runtime.scheduler),
    toArray(),
    map((results) =>
      results
        .filter((result) => result !== undefined)
        .toSorted((a, b) => a.order - b.order)
        .map(({ observation }) => observation),
    ),
  );
}

/** What one look has come to; `undefined` when it failed. */
type Result = { readonly order: number; readonly observation: Observation } | undefined;

/**
 * Completes when what has come is enough to tell a NAT by: two servers on addresses of their own, of one family, have told
 * of every port, and {@link GRACE} times as long as that took has gone by for the others. At the latest after `natMs`.
 *
 * @param ports how many local ports are looked at.
 *
 * @example
 * merge(...observations).pipe(untilEnough(5, 2_000, asyncScheduler));
 */
export function untilEnough<T extends Result>(
  ports: number,
  natMs: number,
  scheduler: SchedulerLike,
): MonoTypeOperatorFunction<T> {
  return connect((results$) => {
    const start = scheduler.now();
    const enough$ = results$.pipe(
      scan((all: readonly Observation[], result) => (result === undefined ? all : [...all, result.observation]), []),
      first((all) => isEnough(all, ports), undefined),
      filter((all) => all !== undefined),
      switchMap(() => timer(GRACE * (scheduler.now() - start), scheduler)),
    );
    return results$.pipe(takeUntil(merge(enough$, timer(natMs, scheduler))));
  });
}

function isEnough(all: readonly Observation[], ports: number): boolean {
  const addresses = [...new Set(all.map(({ server }) => server.address))].filter(
    (address) =>
      new Set(all.filter(({ server }) => server.address === address).map(({ localPort }) => localPort)).size === ports,
  );
  return ([4, 6] as const).some((family) => addresses.filter((address) => familyOf(address) === family).length >= 2);
}
