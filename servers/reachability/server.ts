import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  AsyncSubject,
  catchError,
  defer,
  EMPTY,
  finalize,
  map,
  mergeMap,
  Observable,
  of,
  Subject,
  switchMap,
  takeUntil,
  tap,
  type Subscription,
} from 'rxjs';
import { MAX_TIMER_MS, withDefaults } from '../../lib/config.js';
import { Admission } from '../../lib/bounds/admission.js';
import { siteOf } from '../../lib/bounds/site.js';
import { isPort, scopeOf, type Endpoint } from '../../lib/endpoint.js';
import { reasonOf } from '../../lib/errors.js';
import { createIdentity, peerIdToKey, type PeerId } from '../../lib/identity.js';
import { secure$, secureContextOf } from '../../lib/link/tls.js';
import { within } from '../../lib/operators/within.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { siteBuckets } from '../../lib/bounds/rate-limit.js';
import { isServicePort } from '../../lib/unl/dialable.js';
import {
  DEFAULT_HTTP_LIMITS,
  httpServer$,
  say,
  sayJson,
  type Exchange,
  type HttpServerLimits,
  type HttpService,
} from '../http/server.js';

/** What a reachability server is made of. */
export interface ReachabilityServerConfig {
  /** The local address. Default: all. */
  readonly bind?: string | undefined;
  /** Default: 8080. */
  readonly port?: number | undefined;
  /** What it bears, where it is not to be the default. */
  readonly limits?: Partial<ReachabilityServerLimits> | undefined;
}

/** What one reachability server bears. */
export interface ReachabilityServerLimits extends HttpServerLimits {
  /** For a caller's port to answer, and again for the caller to prove its key there, in milliseconds (PyP2P: 1 s). */
  readonly dialMs: number;
  /** Callers that are dialled at the same time. */
  readonly dials: number;
  /** Callers that wait to be dialled; more are told to come back. */
  readonly waiting: number;
  /** Dials a minute to one IPv4 address or IPv6 /48. A node asks a few times when it starts, and when its network changes. */
  readonly dialsPerMinute: number;
  /** Dials at once to one IPv4 address or IPv6 /48: a household, an office, a small carrier NAT. */
  readonly dialBurst: number;
}

/** Those of them that are not of HTTP. */
export type DialLimits = Omit<ReachabilityServerLimits, keyof HttpServerLimits>;

const DEFAULT_DIAL_LIMITS: DialLimits = {
  dialMs: 1_000,
  dials: 64,
  waiting: 256,
  dialsPerMinute: 30,
  dialBurst: 30,
};

export const DEFAULT_REACHABILITY_LIMITS: ReachabilityServerLimits = {
  ...DEFAULT_HTTP_LIMITS,
  connections: 1_000,
  connectionsPerHost: 64,
  ...DEFAULT_DIAL_LIMITS,
};

/** A reachability server that runs. */
export interface ReachabilityServer {
  /** Where it listens. */
  readonly local: Endpoint;
}

/** What proxies add to what they pass on (RFC 7239 §4, RFC 9110 §7.6.3). */
const PROXY_HEADERS = ['forwarded', 'x-forwarded-for', 'via'];

/** Hosts whose questions are counted: a few MiB at most. */
const MAX_HOSTS = 10_000;

/** A caller that wants to be dialled at one of its ports. */
interface Question {
  readonly endpoint: Endpoint;
  /** Who has to answer there; PyP2P's nodes prove nothing. */
  readonly peerId: PeerId | undefined;
  /** `undefined`: it is reachable, else why it is not. */
  readonly answer: (reason: string | undefined) => void;
  /** There is no room for the question any more. */
  readonly refuse: () => void;
}

/**
 * Runs a small HTTP server for as long as it is subscribed to, that tells each caller its address and dials it back: the
 * caller's own address and no other, at a port that it names. Emits once it listens. Never completes.
 *
 * - `/address` → `{"address":"192.0.2.7","port":50123}`
 * - `/reachable?port=N&peer=ID` → `{"address":"192.0.2.7","port":N,"reachable":true}`, or `false` with a `reason`. With
 *   `peer` whoever answers at the port has to prove that key by TLS, so that a port that leads to another program or
 *   another host does not count. No port of a well-known service is dialled (below 1024, but 443): others may share the address.
 * - PyP2P's `net.php?action=get_wan_ip` and `net.php?action=is_port_forwarded&port=N&proto=TCP`, below any path.
 *
 * @param config what it is to be. Default: all defaults.
 * @param runtime time, chance and sockets; specs give their own. Default: the real ones.
 * @throws ListenError (`LISTEN_FAILED`) when the port cannot be listened on; InvalidOptionError (`INVALID_OPTION`) when a port or a
 * limit is none.
 *
 * @example
 * reachabilityServer$({ port: 8080 }).subscribe(({ local }) => console.log(`http on port ${local.port}`));
 */
export function reachabilityServer$(
  { bind, port = 8080, limits: given }: ReachabilityServerConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<ReachabilityServer> {
  return defer(() => {
    const limits = withDefaults('limits', DEFAULT_REACHABILITY_LIMITS, given, MAX_TIMER_MS);
    const { dialMs, dials, waiting, dialsPerMinute, dialBurst, ...http } = limits;
    const dialling = { dialMs, dials, waiting, dialsPerMinute, dialBurst };
    const service$ = reachabilityService$({ bind, limits: dialling }, runtime);
    return httpServer$({ bind, port, limits: http, services: [service$] }, runtime.scheduler);
  });
}

/** What the service is made of, on an HTTP server that others share. */
export interface ReachabilityServiceConfig {
  /** The local address of the server, by which callers know it. */
  readonly bind?: string | undefined;
  readonly limits?: Partial<DialLimits> | undefined;
}

/** What {@link reachabilityServer$} answers, as a service of an HTTP server. */
export function reachabilityService$(
  { bind, limits: given }: ReachabilityServiceConfig,
  runtime: Runtime = systemRuntime,
): Observable<HttpService> {
  return new Observable((subscriber) => {
    const limits = withDefaults('limits', DEFAULT_DIAL_LIMITS, given, MAX_TIMER_MS);
    const questions = new Questions(bind, limits, runtime);
    subscriber.next((exchange) => answer(exchange, questions));
    return () => {
      questions.close();
    };
  });
}

/** The callers that are to be dialled: so many at once, so many waiting, so many a minute from one host. */
class Questions {
  readonly #question = new Subject<Observable<never>>();
  readonly #context = secureContextOf(createIdentity());
  readonly #dialling: Subscription;
  /** The address that callers know this server by, where it is one of several. */
  readonly #from: string | undefined;
  readonly #mayAsk: (host: string) => boolean;
  readonly #room: Admission<() => void>;

  constructor(
    bind: string | undefined,
    readonly limits: DialLimits,
    readonly runtime: Runtime,
  ) {
    this.#from = bind !== undefined && scopeOf(bind) !== 'unusable' ? bind : undefined;
    this.#mayAsk = siteBuckets({
      perSecond: limits.dialsPerMinute / 60,
      burst: limits.dialBurst,
      maxSites: MAX_HOSTS,
      now: () => runtime.scheduler.now(),
    });
    this.#room = new Admission({ most: limits.dials + limits.waiting });
    this.#dialling = this.#question.pipe(mergeMap((answered$) => answered$, limits.dials)).subscribe();
  }

  /** Takes a question, or says with which HTTP status it is refused. */
  ask(question: Question): 429 | 503 | undefined {
    const site = siteOf(question.endpoint.address);
    if (!this.#mayAsk(site)) return 429;
    const gone = new AsyncSubject<void>();
    const giveWay = () => {
      gone.next();
      gone.complete();
      question.refuse();
    };
    const { isIn, gaveWay } = this.#room.admit(site, giveWay);
    gaveWay?.();
    if (!isIn) return 503;
    const answered$ = defer(() => this.#dial$(question)).pipe(
      takeUntil(gone),
      finalize(() => {
        this.#room.leave(site, giveWay);
      }),
    );
    this.#question.next(answered$);
    return undefined;
  }

  close(): void {
    this.#dialling.unsubscribe();
  }

  #dial$({ endpoint: { address, port }, peerId, answer }: Question): Observable<never> {
    const { scheduler } = this.runtime;
    const { dialMs } = this.limits;
    return this.runtime.dial$({ host: address, port, localAddress: this.#from }).pipe(
      within(dialMs, 'It did not answer', scheduler),
      switchMap((socket) => {
        if (peerId === undefined) return of(socket);
        return secure$(socket, { context: this.#context, role: 'client', peerId }).pipe(
          within(dialMs, 'It answered, but did not prove its key', scheduler),
          map(({ stream }) => stream),
        );
      }),
      tap((stream) => {
        stream.destroy();
      }),
      map(() => undefined),
      catchError((error: unknown) => of(reasonOf(error))),
      tap((reason) => {
        answer(reason);
      }),
      mergeMap(() => EMPTY),
    );
  }
}

function answer({ method, url, address, request, response }: Exchange, questions: Questions): boolean {
  if (method !== 'GET') return false;
  if (url.pathname === '/address') {
    // On a line of its own, for those who read lines.
    say(response, 200, `${JSON.stringify({ address, port: request.socket.remotePort })}\n`, 'application/json');
  } else if (url.pathname === '/reachable') {
    dialBack(url.searchParams, address, request, response, questions);
  } else if (url.pathname.endsWith('/net.php')) {
    answerPyp2p(url.searchParams, address, request, response, questions);
  } else {
    return false;
  }
  return true;
}

function dialBack(
  query: URLSearchParams,
  address: string,
  request: IncomingMessage,
  response: ServerResponse,
  questions: Questions,
): void {
  const port = portOf(query);
  const peerId = query.get('peer') ?? undefined;
  if (port === undefined || (peerId !== undefined && peerIdToKey(peerId) === undefined)) {
    say(response, 400, 'Expected /reachable?port=N, or /reachable?port=N&peer=ID with a peer id.\n');
    return;
  }
  const endpoint = { address, port };
  const tell = (reason: string | undefined) => {
    sayJson(response, { ...endpoint, reachable: reason === undefined, ...(reason !== undefined && { reason }) });
  };
  const why = reasonNotToDial(endpoint, request);
  const refusal =
    why === undefined
      ? questions.ask({
          endpoint,
          peerId,
          answer: tell,
          refuse: () => {
            refuse(response, 503);
          },
        })
      : undefined;
  if (refusal !== undefined) refuse(response, refusal);
  else if (why !== undefined) tell(why);
}

/** Why a caller is not dialled, if it is not. The address is the caller's own, or that of a proxy before this server. */
function reasonNotToDial({ port }: Endpoint, { headers }: IncomingMessage): string | undefined {
  if (isServicePort(port)) return 'this server dials no port of a well-known service: take one from 1024, or 443';
  const isForwarded = PROXY_HEADERS.some((name) => headers[name] !== undefined);
  return isForwarded ? 'the question came by a proxy, whose address is not yours: ask this server directly' : undefined;
}

/** PyP2P's net.php: text and JSON as its clients expect them. */
function answerPyp2p(
  query: URLSearchParams,
  address: string,
  request: IncomingMessage,
  response: ServerResponse,
  questions: Questions,
): void {
  const action = query.get('action');
  const port = portOf(query);
  const isTcp = (query.get('proto') ?? 'TCP').toUpperCase() === 'TCP';
  if (action === 'get_wan_ip') {
    say(response, 200, address);
  } else if (action !== 'is_port_forwarded') {
    say(response, 404, 'There is nothing here. Try ?action=get_wan_ip.\n');
  } else if (port === undefined || !isTcp || reasonNotToDial({ address, port }, request) !== undefined) {
    sayJson(response, { result: 'no' });
  } else {
    const refusal = questions.ask({
      endpoint: { address, port },
      peerId: undefined,
      answer: (reason) => {
        sayJson(response, { result: reason === undefined ? 'yes' : 'no' });
      },
      refuse: () => {
        refuse(response, 503);
      },
    });
    if (refusal !== undefined) refuse(response, refusal);
  }
}

function portOf(query: URLSearchParams): number | undefined {
  const text = query.get('port') ?? '';
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  return isPort(port) ? port : undefined;
}

function refuse(response: ServerResponse, status: 429 | 503): void {
  response.setHeader('retry-after', '60');
  say(response, status, status === 429 ? 'Too many questions from this address.\n' : 'Too many questions.\n');
}
