import type { Socket } from 'node:net';
import {
  BehaviorSubject,
  defer,
  finalize,
  fromEvent,
  interval,
  map,
  merge,
  NEVER,
  noop,
  of,
  share,
  startWith,
  Subject,
  switchMap,
  take,
  tap,
  timer,
  type Observable,
  type Subscription,
} from 'rxjs';
import { MAX_TIMER_MS, withDefaults } from '../../lib/config.js';
import { Admission } from '../../lib/bounds/admission.js';
import { Gathered } from '../../lib/bounds/gathered.js';
import { siteOf } from '../../lib/bounds/site.js';
import { type Endpoint } from '../../lib/endpoint.js';
import { SiteCounts } from '../../lib/bounds/site-counts.js';
import { siteBuckets } from '../../lib/bounds/rate-limit.js';
import {
  decodeJoin,
  isAuthorized,
  REFUSALS,
  RELAY_HEADER,
  RELAY_PROTOCOL,
  type JoinRequest,
  type RefusalCode,
} from '../../lib/relay/messages.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { CLOCK_MS } from '../../lib/signed-request.js';
import { expectInteger } from '../../lib/validate.js';
import { hostNames } from '../host-names.js';
import { httpServer$, say, sayJson, type Exchange, type HttpServerLimits, type HttpService } from '../http/server.js';
import { splice$, TICKS, type Cut, type SpliceLimits } from './splice.js';
import { Tokens } from './tokens.js';
import { DEFAULT_UNREAD_LIMITS, Unread, type UnreadLimits } from '../unread.js';

/** What a relay is made of, as a service of an HTTP server. */
export interface RelayServiceConfig {
  /**
   * The names by which clients know this server, each as in their URLs: `rv.example.org:8080`. A request that was signed for
   * another is refused. Default: any name.
   */
  readonly hosts?: readonly string[] | undefined;
  /** What it bears, where it is not to be the default. */
  readonly limits?: Partial<RelayServerLimits> | undefined;
}

/** What a relay server is made of. */
export interface RelayServerConfig extends RelayServiceConfig {
  /** The local address. Default: all. */
  readonly bind?: string | undefined;
  /** Default: 8080. */
  readonly port?: number | undefined;
  /** What its HTTP server bears, where it is not to be the default. */
  readonly http?: Partial<HttpServerLimits> | undefined;
}

/** What one relay bears. Bytes wait for a node for `idleMs` at most. */
export interface RelayServerLimits extends SpliceLimits, Pick<UnreadLimits, 'unreadBytesPerHost' | 'unreadBytesInAll'> {
  /**
   * Sessions in all: two nodes that are joined, or one that waits for the other. Each counts for one site, that of its two which has
   * more. With as many, a newcomer takes the place of the newest of the site that has most.
   */
  readonly sessions: number;
  /** Nodes in sessions from one IPv4 address or IPv6 /48: a household, an office, a small carrier NAT. */
  readonly nodesPerHost: number;
  /** For how long a node waits for the other, in milliseconds. */
  readonly unpairedMs: number;
  /** Requests a second from one IPv4 address or IPv6 /48, on average. */
  readonly requestsPerSecond: number;
  /** Requests at once from one IPv4 address or IPv6 /48. */
  readonly requestBurst: number;
  /**
   * Tokens that are remembered for four minutes, with what they were used for. With as many, the newest of the site that has most
   * gives way, and of it no more is remembered than that it is no good any more.
   */
  readonly tokens: number;
}

export const DEFAULT_RELAY_LIMITS: RelayServerLimits = {
  sessions: 4_000,
  nodesPerHost: 128,
  unpairedMs: 30_000,
  idleMs: 120_000,
  bytesPerSession: Number.POSITIVE_INFINITY,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  bufferedBytes: 64 * 1024,
  unreadBytesPerHost: DEFAULT_UNREAD_LIMITS.unreadBytesPerHost,
  unreadBytesInAll: DEFAULT_UNREAD_LIMITS.unreadBytesInAll,
  requestsPerSecond: 20,
  requestBurst: 256,
  tokens: 100_000,
};

/** What a relay does, for those who run it. */
export interface RelayCounters {
  /** Pairs of nodes that are joined now. */
  readonly sessions: number;
  /** Nodes that wait for their other now. */
  readonly waiting: number;
  /** Pairs of nodes that have been joined, in all. */
  readonly joined: number;
  /** Bytes that were passed on, in all, both directions together. */
  readonly bytes: number;
  /** Requests that were refused, in all, by reason. */
  readonly refused: Readonly<Partial<Record<RefusalCode, number>>>;
  /**
   * Nodes and pairs that were sent away, in all, by the limit: `unpairedMs`, `idleMs`, `bytesPerSession`, those of unread bytes, or
   * `sessions` (`gaveWay`: to a newcomer whose site has fewer).
   */
  readonly cut: Readonly<Record<Cut | 'unpaired', number>>;
}

/** A relay that runs. */
export interface RelayService {
  /** What an HTTP server, or several of them, has it answer. */
  readonly service: HttpService;
  /** What it does: at once, and whenever that changes; the bytes at least every quarter of `idleMs`. */
  readonly counters$: Observable<RelayCounters>;
}

/** A relay server that runs. */
export interface RelayServer {
  /** Where it listens. */
  readonly local: Endpoint;
  /** What it does: at once, and whenever that changes; the bytes at least every quarter of `idleMs`. */
  readonly counters$: Observable<RelayCounters>;
}

/** Hosts whose requests are counted. */
const MAX_HOSTS = 10_000;

/** When to try again after a refusal that passes, in seconds. */
const RETRY_AFTER_S = 30;

/**
 * Runs a relay for as long as it is subscribed to: an HTTP server that joins two nodes which cannot reach each other, and
 * passes bytes from each to the other. Emits once it listens. Never completes. How a node joins is written at the top of
 * `lib/relay/messages.ts`.
 *
 * Two nodes are joined when both have proven their keys, name each other, and have the same token; nobody else ever is. What
 * they say is theirs: it is meant to be TLS, from end to end.
 *
 * @param config what it is to be. Default: all defaults.
 * @param runtime time, chance and sockets; specs give their own. Default: the real ones.
 * @throws ListenError (`LISTEN_FAILED`) when the port cannot be listened on; InvalidOptionError (`INVALID_OPTION`) when a host or a
 * limit is none.
 *
 * @example
 * relayServer$({ port: 8080, limits: { bytesPerSecond: 1_000_000 } }).subscribe(({ local }) => console.log(local.port));
 */
export function relayServer$(
  { bind, port = 8080, http, ...config }: RelayServerConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<RelayServer> {
  return relayService$(config, runtime).pipe(
    switchMap(({ service, counters$ }) =>
      httpServer$({ bind, port, limits: http, services: [of(service)] }, runtime.scheduler).pipe(
        map(({ local }) => ({ local, counters$ })),
      ),
    ),
  );
}

/** What {@link relayServer$} answers, as a service of HTTP servers. Emits at once. */
export function relayService$(
  { hosts, limits: given }: RelayServiceConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<RelayService> {
  return defer(() => {
    const limits = withDefaults('limits', DEFAULT_RELAY_LIMITS, given, Number.MAX_SAFE_INTEGER);
    expectInteger('limits.unpairedMs', limits.unpairedMs, 1, MAX_TIMER_MS);
    expectInteger('limits.idleMs', limits.idleMs, 1, MAX_TIMER_MS);
    const relay = new Relay(hosts && hostNames(hosts), limits, runtime);
    return NEVER.pipe(
      startWith({ service: relay.service, counters$: relay.counters$ }),
      finalize(() => {
        relay.close();
      }),
    );
  });
}

/** A node that waits for another. */
interface Waiting {
  readonly socket: Socket;
  /** The site that it is counted by. */
  readonly host: string;
  /** Unsubscribed when the other is there. */
  readonly waits: Subscription;
}

class Relay {
  readonly #counters = new BehaviorSubject<RelayCounters>({
    sessions: 0,
    waiting: 0,
    joined: 0,
    bytes: 0,
    refused: {},
    cut: { unpaired: 0, idle: 0, bytes: 0, unread: 0, gaveWay: 0 },
  });
  /** Those of the counters are told now and then. */
  #bytes = 0;
  readonly #tick$: Observable<unknown>;
  readonly #sockets = new Set<Socket>();
  readonly #perHost = new SiteCounts();
  /** What to call when a session has to give way to a newcomer. */
  readonly #sessions: Admission<() => void>;
  readonly #tokens: Tokens<Waiting>;
  readonly #unread: Unread;
  readonly #mayAsk: (host: string) => boolean;

  /** Tokens that were used before are not remembered. */
  readonly #started: number;

  readonly counters$ = this.#counters.asObservable();

  constructor(
    readonly hosts: ReadonlySet<string> | undefined,
    readonly limits: RelayServerLimits,
    readonly runtime: Runtime,
  ) {
    const { scheduler, timeOfDay } = runtime;
    const { requestsPerSecond, requestBurst, idleMs, tokens } = limits;
    // What waits for one node is bounded by `bufferedBytes`.
    this.#unread = new Unread({ ...limits, unreadBytes: Number.POSITIVE_INFINITY, unreadMs: idleMs }, scheduler);
    const now = () => scheduler.now();
    this.#started = timeOfDay();
    this.#sessions = new Admission({ most: limits.sessions });
    this.#mayAsk = siteBuckets({ perSecond: requestsPerSecond, burst: requestBurst, maxSites: MAX_HOSTS, now });
    // A clock may be wrong by as much to either side.
    this.#tokens = new Tokens({ forMs: 2 * CLOCK_MS, maxTokens: tokens, now: timeOfDay });
    this.#tick$ = interval(idleMs / TICKS, scheduler).pipe(
      tap(() => {
        if (this.#bytes !== this.#counters.value.bytes) this.#tell({});
      }),
      share(),
    );
  }

  close(): void {
    this.#counters.complete();
    this.#unread.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Below any path, as a proxy may have it. */
  readonly service: HttpService = (exchange) => {
    const { method, url, address, request, response, upgrade } = exchange;
    if (method !== 'GET' || !url.pathname.endsWith('/relay')) return false;
    if (upgrade?.protocol !== RELAY_PROTOCOL) {
      response.setHeader('upgrade', RELAY_PROTOCOL);
      say(response, 426, `Expected an upgrade to ${RELAY_PROTOCOL}.\n`);
      return true;
    }
    const host = siteOf(address);
    if (!this.#mayAsk(host)) {
      this.#refuse(exchange, 'too-often', 'too many requests from this address');
      return true;
    }
    const header = request.headers[RELAY_HEADER];
    const join = typeof header === 'string' ? decodeJoin(header) : undefined;
    if (typeof header !== 'string' || join === undefined) {
      this.#refuse(exchange, 'malformed', `expected a request to join in the header ${RELAY_HEADER}`);
      return true;
    }
    const refusal = this.#refusalOf(join, header, host, request.headers);
    if (refusal !== undefined) {
      this.#refuse(exchange, ...refusal);
      return true;
    }
    const socket = upgrade.accept();
    this.#hold(socket, host);
    const waiting = this.#tokens.meet(join);
    if (waiting === undefined) this.#wait(join, socket, host);
    else this.#splice(waiting, socket, host);
    return true;
  };

  /** Why a node is not let in, if it is not. */
  #refusalOf(
    join: JoinRequest,
    header: string,
    address: string,
    { host = '', authorization }: Exchange['request']['headers'],
  ): readonly [RefusalCode, string] | undefined {
    if (this.hosts?.has(host.toLowerCase()) === false) {
      return ['signature', 'this server is not known by the name in the request'];
    }
    if (!isAuthorized(join.from, host, header, authorization)) {
      return ['signature', 'the request is not signed by whom it is from'];
    }
    if (Math.abs(join.at - this.runtime.timeOfDay()) > CLOCK_MS) return ['clock', 'the clock of the caller is wrong'];
    if (join.at < this.#started) return ['untimely', 'the request is from before the start of this relay'];
    if (this.#perHost.of(address) >= this.limits.nodesPerHost) return ['host-full', 'too many nodes at this address'];
    const refusal = this.#tokens.refusalOf(join, address);
    if (refusal !== undefined) return [refusal, TOKEN_WORDS[refusal]];
    const isFull = !this.#tokens.isAwaited(join) && !this.#sessions.hasRoomFor(address);
    return isFull ? ['server-full', 'too many sessions'] : undefined;
  }

  #refuse({ response }: Exchange, refused: RefusalCode, words: string): void {
    const status = REFUSALS[refused];
    if (status === 429 || status === 503) response.setHeader('retry-after', RETRY_AFTER_S);
    sayJson(response, { refused, words, now: this.runtime.timeOfDay() }, status);
    const { refused: before } = this.#counters.value;
    this.#tell({ refused: { ...before, [refused]: (before[refused] ?? 0) + 1 } });
  }

  /** A socket counts until it is closed. */
  #hold(socket: Socket, host: string): void {
    this.#sockets.add(socket);
    this.#perHost.add(host);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#perHost.remove(host);
    });
  }

  #wait(join: JoinRequest, socket: Socket, host: string): void {
    const gaveWay = new Subject<'gaveWay'>();
    const overdue$ = timer(this.limits.unpairedMs, this.runtime.scheduler).pipe(map(() => 'unpaired' as const));
    const left$ = merge(fromEvent(socket, 'close'), fromEvent(socket, 'end')).pipe(map(() => undefined));
    const waits = merge(gaveWay, overdue$, left$)
      .pipe(take(1))
      .subscribe({
        next: (reason) => {
          this.#tokens.leave(join.token);
          socket.destroy();
          const { waiting, cut } = this.#counters.value;
          this.#tell({ waiting: waiting - 1, ...(reason && { cut: { ...cut, [reason]: cut[reason] + 1 } }) });
        },
        error: noop,
      });
    waits.add(readAhead(socket));
    waits.add(this.#takeRoom(host, gaveWay));
    this.#tokens.wait(join, host, { socket, host, waits })?.socket.destroy();
    this.#tell({ waiting: this.#counters.value.waiting + 1 });
  }

  /** Takes room for one more session of a site, which has room. It may have to give way; the function that is returned frees it. */
  #takeRoom(site: string, gaveWay: Subject<'gaveWay'>): () => void {
    const giveWay = () => {
      gaveWay.next('gaveWay');
    };
    this.#sessions.admit(site, giveWay).gaveWay?.();
    return () => {
      this.#sessions.leave(site, giveWay);
    };
  }

  #splice({ socket: first, host: firstHost, waits }: Waiting, second: Socket, secondHost: string): void {
    // The room of the one that has waited is free, for both of them.
    waits.unsubscribe();
    const gaveWay = new Subject<'gaveWay'>();
    const site = this.#sessions.of(secondHost) > this.#sessions.of(firstHost) ? secondHost : firstHost;
    const leaveRoom = this.#takeRoom(site, gaveWay);
    const unread = new Subject<'unread'>();
    const watch = (socket: Socket, site: string) =>
      this.#unread.watch({
        socket,
        site,
        drop: () => {
          unread.next('unread');
        },
      });
    const { waiting, sessions, joined } = this.#counters.value;
    this.#tell({ waiting: waiting - 1, sessions: sessions + 1, joined: joined + 1 });
    splice$({
      sockets: [first, second],
      limits: this.limits,
      tick$: this.#tick$,
      scheduler: this.runtime.scheduler,
      count: (bytes) => {
        this.#bytes += bytes;
      },
      looks: [watch(first, firstHost), watch(second, secondHost)],
      cut$: merge(unread, gaveWay),
    }).subscribe({
      next: (reason) => {
        const { cut } = this.#counters.value;
        this.#tell({ cut: { ...cut, [reason]: cut[reason] + 1 } });
      },
      error: noop,
      complete: () => {
        leaveRoom();
        this.#tell({ sessions: this.#counters.value.sessions - 1 });
      },
    });
  }

  #tell(change: Partial<RelayCounters>): void {
    this.#counters.next({ ...this.#counters.value, ...change, bytes: this.#bytes });
  }
}

/**
 * Reads a little, so that it shows when a node that waits leaves; the rest stays unread, and the network holds it back. What was
 * read is put back by the function that is returned.
 */
function readAhead(socket: Socket): () => void {
  const early = new Gathered();
  const read = (chunk: Buffer) => {
    early.push(chunk);
    if (early.length >= EARLY_BYTES) socket.pause();
  };
  socket.on('data', read);
  return () => {
    socket.off('data', read);
    socket.pause();
    if (!socket.destroyed && early.length > 0) socket.unshift(early.take());
  };
}

/** With so much read of a node that waits, in bytes, no more is: its part of a TLS handshake is less. */
const EARLY_BYTES = 4_096;

const TOKEN_WORDS = {
  replayed: 'this node has joined with this token before',
  taken: 'the token is that of other nodes',
  gone: 'the other node did not wait: agree on another token',
  'server-full': 'too many tokens are in use',
} as const;
