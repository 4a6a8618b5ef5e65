import { createHash } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import {
  asapScheduler,
  BehaviorSubject,
  catchError,
  concat,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  firstValueFrom,
  forkJoin,
  from,
  ignoreElements,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  noop,
  observeOn,
  of,
  race,
  ReplaySubject,
  share,
  startWith,
  Subject,
  Subscription,
  switchMap,
  takeUntil,
  tap,
  throwIfEmpty,
  timer,
  type Observable,
} from 'rxjs';
import { MAX_TIMER_MS, resolveConfig, type NetConfig, type ResolvedConfig } from './config.js';
import type { Connection } from './connection/connection.js';
import type { Endpoint, ServerAddress } from './endpoint.js';
import { ClosedError, ConnectError, InvalidUnlError, reasonOf } from './errors.js';
import type { PeerId } from './identity.js';
import { isOurs, ownInterfaces } from './link/interfaces.js';
import { expectLine } from './link/lines.js';
import type { Listener } from './link/tcp.js';
import { secureContextOf } from './link/tls.js';
import { Attempts } from './net/attempts.js';
import { ClockWatch, type ClockStatus } from './net/clock-watch.js';
import { flood$ } from './net/flood.js';
import { receive$ } from './peers/inbound.js';
import { isOnLink, localAddresses, locate } from './self/locator.js';
import { Nonces } from './peers/nonces.js';
import { Peers } from './peers/peers.js';
import { preload } from './net/preload.js';
import { ServerWatch } from './net/server-watch.js';
import { findings$, NOTHING_FOUND, sessionsIn, signalRoundTripMs, type Findings } from './self/findings.js';
import { untilAborted } from './operators/until-aborted.js';
import { untroubled } from './operators/untroubled.js';
import type { Reach } from './reachability.js';
import { systemRuntime, type Runtime } from './runtime.js';
import { Seen } from './bounds/seen.js';
import { carriersOf } from './net/carriers.js';
import { signallingOver } from './signalling/over-carriers.js';
import type { Signalling } from './signalling/signalling.js';
import { stagesOf } from './techniques/stages.js';
import type { NodeTechnique, Technique, TechniqueName } from './techniques/technique.js';
import { techniquesOf } from './net/techniques.js';
import type { ServerReport } from './server-report.js';
import type { Trace, TraceEvent } from './trace.js';
import { formatUnl, parseUnl, peerNameOf } from './unl.js';
import { expectInteger } from './validate.js';
import type { NatType, NodeType, Unl } from './unl/types.js';

/** A line from a peer. */
export interface Line {
  /** The connection it came by, to answer on. */
  readonly connection: Connection;
  /** The line, without its end. */
  readonly text: string;
}

/** Connections of one direction. */
export interface SlotCount {
  /** How many there are. */
  readonly used: number;
  /** How many there may be. */
  readonly most: number;
}

/** What can be said of a net at a moment. */
export interface NetStatus {
  /** `idle` until it listens; `closed` for good, from the moment that it is being closed. */
  readonly state: 'idle' | 'running' | 'closed';
  /** Who this node is. */
  readonly peerId: PeerId;
  /** Unknown until the servers have been asked. */
  readonly nodeType: NodeType | 'unknown';
  /** How this node's NAT maps ports; unknown until the servers have been asked. */
  readonly natType: NatType;
  /** Where it listens; `undefined` before it does. */
  readonly local: Endpoint | undefined;
  /** How many connections there are, and may be. */
  readonly slots: {
    /** Those that others have made. */
    readonly inbound: SlotCount;
    /** Those that this node has made. */
    readonly outbound: SlotCount;
  };
  /** Each rendezvous server, and how the session with it stands. */
  readonly servers: readonly {
    /** The server, as it was named. */
    readonly server: ServerAddress;
    /** Whether there is a session with it now. */
    readonly connected: boolean;
    /** Where the server sees this node. */
    readonly observed: Endpoint | undefined;
    /** Why there is no session, in words. */
    readonly failure: string | undefined;
  }[];
  /** Every server that has been asked by now, of any kind, with what is wrong with it: `undefined` where it answers. */
  readonly services: readonly ServerReport[];
  /** That this machine's clock and those of servers are more than two minutes apart; `undefined` where no server says so. */
  readonly clock: ClockStatus | undefined;
  /** Whether others can dial this node, by each family of addresses; empty where that was not looked into. */
  readonly reach: readonly Reach[];
}

/** How to connect. */
export interface ConnectOptions {
  /**
   * Only these techniques, in the order given: by their names, or the application's own. What the connection needs later, after its
   * link has broken, is looked for by the same. Default: all, best first.
   */
  readonly techniques?: readonly (TechniqueName | Technique)[] | undefined;
  /**
   * Whether a relay is tried at once, side by side with the rest: its link carries lines until there is a direct one. Default: when
   * neither node can be dialled; else a relay comes last.
   */
  readonly relayFirst?: boolean | undefined;
  /** How long each technique may take, in milliseconds. Default: `timing.techniqueMs`. */
  readonly timeoutMs?: number | undefined;
  /** Gives the attempt up when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** A node: it can be reached by its locator, connects to others by theirs, and exchanges lines with them. */
export interface Net {
  /** Who this node is. */
  readonly peerId: PeerId;

  /**
   * This node's locator, for others to connect to; replays the latest, and emits again when the network changes. The first
   * waits for the rendezvous servers to say where they see this node, and until it is known whether others can dial it or
   * a port was opened on the router, but not for long. Subscribing starts the net. Completes when the net is closed.
   *
   * @throws ListenError (`LISTEN_FAILED`) when the port cannot be listened on.
   *
   * @example
   * net.unl$.subscribe({ next: (unl) => console.log(`reach me at ${unl}`), error: ({ message }) => console.error(message) });
   */
  readonly unl$: Observable<string>;

  /**
   * Each connection, inbound or outbound: those that are open, then each new one as soon as both sides hold it. One that
   * the peer refuses never comes here. Completes when the net is closed.
   *
   * @example
   * net.connections$.subscribe((connection) => connection.send('Welcome.'));
   */
  readonly connections$: Observable<Connection>;

  /**
   * Every line from every connection. In `p2p` mode a line that has been here before is dropped, so that relaying with
   * `broadcast` ends. A connection whose `toDuplex` was called brings no lines. Completes when the net is closed.
   *
   * @example
   * net.lines$.subscribe(({ connection, text }) => net.broadcast(text, connection)); // relays
   */
  readonly lines$: Observable<Line>;

  /**
   * What the net is and has at the moment: at once, and whenever that changes. Completes when the net is closed.
   *
   * @example
   * net.status$.pipe(map(({ nodeType }) => nodeType)).subscribe(console.log);
   */
  readonly status$: Observable<NetStatus>;

  /**
   * What the net and each attempt do, step by step, from when it is subscribed to. Completes when the net is closed.
   *
   * @example
   * net.trace$.pipe(filter(({ type }) => type === 'technique')).subscribe(console.log);
   */
  readonly trace$: Observable<TraceEvent>;

  /**
   * Loads the packages that the node will need, listens, and opens its sessions. Resolves when it listens; a second call changes
   * nothing.
   *
   * @throws ListenError (`LISTEN_FAILED`) when the port cannot be listened on; ClosedError (`CLOSED`) when the net is closed. Both
   * are rejections.
   *
   * @example
   * await net.start();
   */
  start(): Promise<void>;

  /**
   * Connects to the node that a locator is of, or hands over the connection to it that is open already. Cold: begins when
   * subscribed to, and starts the net if need be. Emits one connection and completes; unsubscribing before that gives up
   * and frees everything. The connection comes as soon as the peer has proven its key, and is usable at once, a round trip
   * before the peer's consent can be known: should it refuse, `closed$` tells. All errors are those of the Observable.
   *
   * @param unl the peer's locator, as its `unl$` has told it.
   * @param options how to connect.
   * @throws InvalidUnlError (`INVALID_UNL`) for a text that is no locator, or is this node's own, or of a node that cannot be proven.
   * @throws InvalidOptionError (`INVALID_OPTION`) for a technique that is none, or a time that is none.
   * @throws ConnectError (`CONNECT_FAILED`) when every technique has failed, with the outcome of each.
   * @throws ListenError (`LISTEN_FAILED`) when the net has to be started and cannot listen.
   * @throws ClosedError (`CLOSED`) when the net is closed, or the signal in `options` aborted.
   *
   * @example
   * net.connect$(unl).subscribe({
   *   next: (connection) => connection.send('Sup Bob.'),
   *   error: (failure) => console.error(failure.attempts),
   * });
   */
  connect$(unl: string, options?: ConnectOptions): Observable<Connection>;

  /**
   * Sends one line to every connection. In `p2p` mode a line that has been here within the last minute, sent or received,
   * is not sent again: every node that has it would drop it. One that is being relayed always is.
   *
   * @param text the line, without its end: at most `limits.lineBytes` bytes of UTF-8.
   * @param except the connection it came from, when relaying.
   * @returns to how many it was sent.
   * @throws InvalidTextError (`INVALID_TEXT`) when the text is not one line, or is too long.
   *
   * @example
   * net.broadcast('Sup all.');
   */
  broadcast(text: string, except?: Connection): number;

  /**
   * Ends everything: connections in order, sockets, sessions, ports opened on the router, timers. Resolves when nothing is
   * left that keeps the process alive, or the time is over.
   *
   * @param withinMs connections that are not closed by then are cut, in milliseconds. Default: 5000.
   *
   * @example
   * process.once('SIGTERM', () => void net.close());
   */
  close(withinMs?: number): Promise<void>;
}

/** Peers that do not answer a close within this time are not waited for. */
const CLOSE_WITHIN_MS = 5_000;

/**
 * Makes a node. It does nothing before {@link Net.start} is called or a stream that needs it is subscribed to.
 *
 * @param config what it is to be; see {@link NetConfig}.
 * @param runtime time, chance and sockets; specs give their own. Default: the real ones.
 * @returns the node, to be closed in the end.
 * @throws InvalidOptionError (`INVALID_OPTION`) when the configuration is wrong.
 *
 * @example
 * const net = createNet({ mode: 'direct', rendezvous: ['rv.example.org:8000'] });
 * net.unl$.subscribe((unl) => console.log(`reach me at ${unl}`));
 * net.lines$.subscribe(({ connection, text }) => console.log(connection.peerId, text));
 */
export function createNet(config: NetConfig, runtime: Runtime = systemRuntime): Net {
  return new RunningNet(resolveConfig(config), runtime);
}

class RunningNet implements Net {
  readonly peerId: PeerId;
  readonly unl$: Observable<string>;
  readonly connections$: Observable<Connection>;
  readonly lines$: Observable<Line>;
  readonly status$: Observable<NetStatus>;
  readonly trace$: Observable<TraceEvent>;

  readonly #config: ResolvedConfig;
  readonly #runtime: Runtime;
  readonly #peers: Peers;
  readonly #seen: Seen;
  readonly #running = new Subscription();
  readonly #closing = new Subject<void>();
  readonly #trace = new Subject<TraceEvent>();
  readonly #servers = new ServerWatch();
  readonly #clocks = new ClockWatch();
  readonly #serversChanged = new Subject<void>();
  readonly #listener = new ReplaySubject<Listener>(1);
  readonly #findings = new BehaviorSubject<Findings>(NOTHING_FOUND);
  readonly #sessions$ = sessionsIn(this.#findings.pipe(map(({ servers }) => servers)));
  readonly #location$ = this.#findings.pipe(
    map(({ location }) => location),
    filter((location) => location !== undefined),
    distinctUntilChanged(),
  );
  readonly #aftermath = new Subject<Observable<unknown>>();
  readonly #settled = lastValueFrom(this.#aftermath.pipe(mergeMap((work$) => work$.pipe(untroubled()))), {
    defaultValue: undefined,
  });
  readonly #context: SecureContext;
  readonly #signalling: Signalling;
  readonly #nonces: Nonces;
  readonly #techniques: readonly NodeTechnique[];
  readonly #attempts: Attempts;

  #isClosing = false;
  #started: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(config: ResolvedConfig, runtime: Runtime) {
    const { identity, timing, limits, signal } = config;
    this.#config = config;
    this.#runtime = runtime;
    this.peerId = identity.peerId;
    this.#peers = new Peers(config, runtime, this.#tell);
    this.#seen = new Seen({
      forMs: timing.seenMs,
      maxEntries: limits.seenLines,
      now: () => runtime.scheduler.now(),
    });
    this.#context = secureContextOf(identity);
    this.#signalling = signallingOver({
      identity,
      carriers: carriersOf(config, this.#sessions$, runtime, this.#tell),
      runtime,
      trace: this.#tell,
    });
    this.#nonces = new Nonces(() => runtime.scheduler.now());
    const host = {
      config,
      runtime,
      context: this.#context,
      peers: this.#peers,
      signalling: this.#signalling,
      findings$: this.#findings,
      own: () => this.#own(),
      roundTripMs: (family: 4 | 6) => signalRoundTripMs(this.#findings.value, family),
      nonces: this.#nonces,
      trace: this.#tell,
    };
    this.#techniques = techniquesOf(host);
    this.#attempts = new Attempts({
      ...host,
      own$: this.#location$.pipe(map(({ unl }) => unl)),
      roundTripMs: () => host.roundTripMs(4) || undefined,
      techniques: this.#techniques,
      closed$: this.#closed$(),
      outlive: (work$) => {
        // Without the sessions that are closed then, there is no way for it.
        if (!this.#isClosing) this.#aftermath.next(work$.pipe(takeUntil(this.#closing)));
      },
    });
    this.trace$ = this.#trace.asObservable();
    this.connections$ = this.#peers.connection$;
    this.unl$ = this.#whenStarted$(() =>
      merge(this.#location$, this.#listener.pipe(ignoreElements())).pipe(
        map(({ unl }) => formatUnl(unl)),
        distinctUntilChanged(),
      ),
    ).pipe(
      // Closing the net on purpose is no failure of a stream: a subscriber without an error handler must not end the process.
      catchError((error: unknown) => {
        if (this.#isClosing) return EMPTY;
        throw error;
      }),
    );
    this.lines$ = this.#peers.connection$.pipe(
      // A breath later, so that whoever gets the connection first may take it as a stream.
      observeOn(asapScheduler),
      mergeMap((connection) => connection.lines$.pipe(map((text) => ({ connection, text })))),
      filter(({ connection, text }) => this.#isNews(connection, text)),
      share(),
    );
    this.status$ = defer(() =>
      merge(this.#findings, this.#serversChanged, this.#peers.connection$, this.#peers.left$, this.#closing).pipe(
        startWith(undefined),
        map(() => ({
          ...statusOf(this.#config, this.#findings.value, this.#peers.all, this.#isClosing),
          services: this.#servers.all,
          clock: this.#clocks.status,
        })),
        distinctUntilChanged((a, b) => JSON.stringify(a) === JSON.stringify(b)),
      ),
    );
    if (signal !== undefined) this.#closeOn(signal);
  }

  start(): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(new ClosedError('The net is closed: make a new one'));
    this.#started ??= this.#listen();
    // Whoever waits for it learns of a failure, and so does `unl$`; nobody has to.
    this.#started.catch(noop);
    return this.#started;
  }

  connect$(unl: string, { techniques, relayFirst, timeoutMs, signal }: ConnectOptions = {}): Observable<Connection> {
    return defer(() => {
      const peer = this.#expectPeer(parseUnl(unl));
      const stagesFor = stagesOf(this.#techniques, { techniques, relayFirst });
      if (timeoutMs !== undefined) expectInteger('timeoutMs', timeoutMs, 1, MAX_TIMER_MS);
      return this.#whenStarted$(() => this.#attempts.connect$(peer, { stagesFor, timeoutMs })).pipe(
        catchError((error: unknown) => {
          if (!(error instanceof ConnectError)) throw error;
          const { peerId, attempts, cause } = error;
          throw new ConnectError(peerId, attempts, { cause }, this.#servers.unreachable());
        }),
      );
    }).pipe(untilAborted(signal));
  }

  broadcast(text: string, except?: Connection): number {
    expectLine(text, this.#config.limits.lineBytes);
    const targets = this.#peers.all.filter((connection) => connection !== except);
    const isNews = this.#config.mode === 'direct' || this.#seen.add(digest(text));
    if (!isNews && except === undefined) return 0;
    for (const connection of targets) connection.send(text);
    return targets.length;
  }

  close(withinMs = CLOSE_WITHIN_MS): Promise<void> {
    this.#closed ??= this.#shutDown(withinMs);
    return this.#closed;
  }

  async #listen(): Promise<void> {
    const { bind, port } = this.#config;
    await firstValueFrom(race(preload(this.#config), this.#closed$()));
    this.#running.add(this.#runtime.listen$({ address: bind, port }).subscribe(this.#listener));
    this.#begin(await firstValueFrom(race(this.#listener, this.#closed$())));
  }

  #begin({ local, socket$ }: Listener): void {
    this.#tell({ type: 'listening', local });
    const given = { config: this.#config, runtime: this.#runtime, trace: this.#tell };
    const { mode, security } = this.#config;
    this.#run(
      receive$(socket$, { ...given, context: this.#context, peers: this.#peers, nonces: this.#nonces }),
      this.#find$(local),
      ...this.#techniques.map(({ answer$ }) => answer$),
      mode === 'p2p' ? this.#flood$() : undefined,
      security === 'tls' ? this.#keepUp$() : undefined,
    );
  }

  /** Sees to it that every connection has the links that it needs, and that the peer knows where this node is. */
  #keepUp$(): Observable<never> {
    const { connection$ } = this.#peers;
    const { networkMs } = this.#config.timing;
    // A link may break before the peer is known to hold the connection.
    const keptUp$ = this.#peers.begun$.pipe(
      observeOn(asapScheduler),
      mergeMap((connection) => this.#attempts.keepUp$(connection)),
    );
    const told$ = connection$.pipe(
      mergeMap((connection) =>
        this.#location$.pipe(
          tap(({ unl }) => {
            connection.tellLocator(formatUnl(unl));
          }),
          takeUntil(connection.closed$),
        ),
      ),
    );
    const looked$ = timer(networkMs, networkMs, this.#runtime.scheduler).pipe(
      tap(() => {
        const { interfaces } = ownInterfaces();
        for (const connection of this.#peers.begun) connection.dropLinksFrom((address) => !isOurs(address, interfaces));
      }),
    );
    return merge(keptUp$, told$, looked$).pipe(ignoreElements());
  }

  /** Has them go on until the net is closed, each whatever becomes of the others. */
  #run(...works: readonly (Observable<unknown> | undefined)[]): void {
    const error = (reason: unknown) => {
      this.#tell({ type: 'fault', reason: reasonOf(reason) });
    };
    for (const work$ of works) this.#running.add(work$?.subscribe({ error }));
  }

  /** Fails when the net is closed. */
  #closed$(): Observable<never> {
    return this.#closing.pipe(
      map(() => {
        throw new ClosedError('The net was closed meanwhile');
      }),
    );
  }

  #flood$(): Observable<never> {
    return flood$({
      config: this.#config,
      runtime: this.#runtime,
      peers: this.#peers,
      trace: this.#tell,
      sessions$: this.#sessions$,
      own$: this.#location$.pipe(map(({ unl }) => unl)),
      isOnLink,
      connect$: (peer) =>
        this.#attempts.connect$(peer, { stagesFor: stagesOf(this.#techniques) }).pipe(
          switchMap(({ confirmed$ }) => confirmed$),
          throwIfEmpty(() => new ClosedError('The peer refused')),
        ),
    });
  }

  #find$(local: Endpoint): Observable<Findings> {
    return findings$(local, {
      config: this.#config,
      runtime: this.#runtime,
      trace: this.#tell,
      looksAtNat: this.#techniques.some(({ looksAtNat }) => looksAtNat === true),
      outlive: (work$) => {
        this.#aftermath.next(work$);
      },
    }).pipe(
      tap((findings) => {
        this.#findings.next(findings);
      }),
    );
  }

  /** The locator as far as it is known, even while the servers are still being asked. */
  #own(): Unl {
    const { local = { address: '0.0.0.0', port: 0 }, location } = this.#findings.value;
    const unknown = { addresses: localAddresses(this.#config.bind), servers: [], reaches: [], nats: [] };
    return (location ?? locate(this.#config, local, unknown)).unl;
  }

  #whenStarted$<T>(next: () => Observable<T>): Observable<T> {
    return defer(() => from(this.start()).pipe(switchMap(next)));
  }

  #expectPeer(peer: Unl): Unl {
    if (peer.version === 2 && this.#config.security === 'tls') {
      throw new InvalidUnlError(
        "Expected a UNL of version 3, got PyP2P's version 2: it has no key, so that nobody can be proven to be its " +
          "owner. Ask for a version 3 UNL, or make the net with `security: 'plain'`.",
      );
    }
    const { peerId, nodeId } = this.#config.identity;
    if (peerNameOf(peer) === (peer.version === 3 ? peerId : nodeId)) {
      throw new InvalidUnlError("Expected another node's UNL, got this node's own");
    }
    return peer;
  }

  #isNews(connection: Connection, text: string): boolean {
    if (this.#config.mode === 'direct' || this.#seen.add(digest(text))) return true;
    this.#tell({ type: 'dropped', what: 'line', peerId: connection.peerId, reason: 'a copy' });
    return false;
  }

  readonly #tell: Trace = (step) => {
    if (step.type === 'server' || step.type === 'clock') {
      // What is as it was needs no telling.
      if (!(step.type === 'server' ? this.#servers.note(step) : this.#clocks.note(step))) return;
      this.#serversChanged.next();
    }
    if (this.#trace.observed) this.#trace.next({ ...step, at: this.#runtime.timeOfDay() });
  };

  async #shutDown(withinMs: number): Promise<void> {
    this.#isClosing = true;
    this.#closing.next();
    this.#closing.complete();
    this.#running.unsubscribe();
    this.#aftermath.complete();
    const connections = this.#peers.begun;
    for (const connection of connections) {
      // What has no link now gets none any more.
      if (connection.hasLink) connection.close();
      else connection.destroy();
    }
    const released$ = forkJoin(connections.map((connection) => connection.released$));
    const late$ = timer(withinMs, this.#runtime.scheduler);
    await lastValueFrom(race(forkJoin([concat(released$, of(undefined)), this.#settled]), late$), {
      defaultValue: undefined,
    });
    for (const connection of connections) connection.destroy();
    this.#peers.close();
    this.#listener.complete();
    this.#findings.complete();
    this.#trace.complete();
    this.#serversChanged.complete();
  }

  #closeOn(signal: AbortSignal): void {
    const onAbort = () => {
      void this.close();
    };
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#closing.subscribe({
      next: () => {
        signal.removeEventListener('abort', onAbort);
      },
      error: noop,
    });
  }
}

function statusOf(
  { identity: { peerId }, slots }: ResolvedConfig,
  { local, servers, reaches, location }: Findings,
  connections: readonly Connection[],
  isClosing: boolean,
): Omit<NetStatus, 'services' | 'clock'> {
  const slot = (direction: 'inbound' | 'outbound') => ({
    used: connections.filter((connection) => connection.direction === direction).length,
    most: slots[direction],
  });
  return {
    state: isClosing ? 'closed' : local === undefined ? 'idle' : 'running',
    peerId,
    nodeType: location?.nodeType ?? 'unknown',
    natType: location?.natType ?? { type: 'unknown' },
    local,
    slots: { inbound: slot('inbound'), outbound: slot('outbound') },
    servers: servers.map(({ server, session, observed, failure }) => ({
      server,
      connected: session !== undefined,
      observed,
      failure,
    })),
    reach: reaches ?? [],
  };
}

/** What a line is remembered by. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
