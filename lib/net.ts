import {
  BehaviorSubject,
  catchError,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  firstValueFrom,
  from,
  ignoreElements,
  map,
  merge,
  noop,
  race,
  ReplaySubject,
  startWith,
  Subject,
  Subscription,
  switchMap,
  tap,
  throwIfEmpty,
  type Observable,
} from 'rxjs';
import { MAX_TIMER_MS, resolveConfig, type NetConfig, type ResolvedConfig } from './config.js';
import type { Connection } from './connection/connection.js';
import type { Endpoint } from './endpoint.js';
import { ClosedError, ConnectError, InvalidUnlError, reasonOf } from './errors.js';
import type { PeerId } from './identity.js';
import type { Listener } from './link/tcp.js';
import { secureContextOf } from './link/tls.js';
import { Attempts } from './net/attempts.js';
import { carriersOf } from './net/carriers.js';
import { ClockWatch } from './net/clock-watch.js';
import { Closing } from './net/closing.js';
import { flood$ } from './net/flood.js';
import type { ConnectOptions, Line, Net, NetStatus } from './net/interface.js';
import { Lines } from './net/lines.js';
import { preload } from './net/preload.js';
import { ServerWatch } from './net/server-watch.js';
import { statusOf } from './net/status.js';
import { techniquesOf } from './net/techniques.js';
import { upkeep$ } from './net/upkeep.js';
import { untilAborted } from './operators/until-aborted.js';
import { receive$ } from './peers/inbound.js';
import { Nonces } from './peers/nonces.js';
import { Peers } from './peers/peers.js';
import { systemRuntime, type Runtime } from './runtime.js';
import { findings$, NOTHING_FOUND, sessionsIn, signalRoundTripMs, type Findings } from './self/findings.js';
import { isOnLink, localAddresses, locate } from './self/locator.js';
import { signallingOver } from './signalling/over-carriers.js';
import type { TechniqueHost } from './techniques/host.js';
import { stagesOf } from './techniques/stages.js';
import type { NodeTechnique } from './techniques/technique.js';
import type { Trace, TraceEvent } from './trace.js';
import { formatUnl, parseUnl, peerNameOf } from './unl.js';
import type { Unl } from './unl/types.js';
import { expectInteger } from './validate.js';

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
  readonly #closing = new Closing();
  readonly #running = new Subscription();
  readonly #trace = new Subject<TraceEvent>();
  readonly #servers = new ServerWatch();
  readonly #clocks = new ClockWatch();
  readonly #serversChanged = new Subject<void>();
  readonly #listener = new ReplaySubject<Listener>(1);
  readonly #findings = new BehaviorSubject<Findings>(NOTHING_FOUND);
  readonly #own$ = this.#findings.pipe(
    map(({ location }) => location?.unl),
    filter((unl) => unl !== undefined),
    distinctUntilChanged(),
  );
  readonly #sessions$ = sessionsIn(this.#findings.pipe(map(({ servers }) => servers)));
  readonly #host: TechniqueHost;
  readonly #techniques: readonly NodeTechnique[];
  readonly #attempts: Attempts;
  readonly #lines: Lines;

  #started: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(config: ResolvedConfig, runtime: Runtime) {
    const { identity, signal } = config;
    this.#config = config;
    this.peerId = identity.peerId;
    const peers = new Peers(config, runtime, this.#tell);
    this.#host = {
      config,
      runtime,
      context: secureContextOf(identity),
      peers,
      signalling: signallingOver({
        identity,
        carriers: carriersOf(config, this.#sessions$, runtime, this.#tell),
        runtime,
        trace: this.#tell,
      }),
      findings$: this.#findings,
      own: () => ownIn(this.#findings.value, config),
      roundTripMs: (family) => signalRoundTripMs(this.#findings.value, family),
      nonces: new Nonces(() => runtime.scheduler.now()),
      trace: this.#tell,
    };
    this.#techniques = techniquesOf(this.#host);
    this.#attempts = new Attempts({
      ...this.#host,
      own$: this.#own$,
      roundTripMs: () => this.#host.roundTripMs(4) || undefined,
      techniques: this.#techniques,
      closed$: this.#closing.failing$,
      runToEnd: (work$) => {
        this.#closing.finishBefore(work$);
      },
    });
    this.#lines = new Lines(config, runtime, peers, this.#tell);
    this.trace$ = this.#trace.asObservable();
    this.connections$ = peers.connection$;
    this.lines$ = this.#lines.line$;
    this.unl$ = this.#whenStarted$(() =>
      merge(this.#own$, this.#listener.pipe(ignoreElements())).pipe(map(formatUnl), distinctUntilChanged()),
    ).pipe(
      // Closing the net on purpose is no failure of a stream: a subscriber without an error handler must not end the process.
      catchError((error: unknown) => {
        if (this.#closing.isClosing) return EMPTY;
        throw error;
      }),
    );
    this.status$ = defer(() =>
      merge(this.#findings, this.#serversChanged, peers.connection$, peers.left$, this.#closing.begun$).pipe(
        startWith(undefined),
        map(() => ({
          ...statusOf(config, this.#findings.value, peers.all, this.#closing.isClosing),
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
      const peer = expectPeer(parseUnl(unl), this.#config);
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
    return this.#lines.broadcast(text, except);
  }

  close(withinMs = CLOSE_WITHIN_MS): Promise<void> {
    this.#closed ??= this.#shutDown(withinMs);
    return this.#closed;
  }

  async #listen(): Promise<void> {
    const { bind, port } = this.#config;
    await firstValueFrom(race(preload(this.#config), this.#closing.failing$));
    this.#running.add(this.#host.runtime.listen$({ address: bind, port }).subscribe(this.#listener));
    this.#begin(await firstValueFrom(race(this.#listener, this.#closing.failing$)));
  }

  /** What a node does for as long as it runs. */
  #begin({ local, socket$ }: Listener): void {
    this.#tell({ type: 'listening', local });
    const { mode, security } = this.#config;
    this.#run(
      receive$(socket$, this.#host),
      this.#find$(local),
      ...this.#techniques.map(({ answer$ }) => answer$),
      mode === 'p2p' ? this.#flood$() : EMPTY,
      security === 'tls' ? upkeep$({ ...this.#host, attempts: this.#attempts, own$: this.#own$ }) : EMPTY,
    );
  }

  /** Has them go on until the net is closed, each whatever becomes of the others. */
  #run(...works: readonly Observable<unknown>[]): void {
    const error = (reason: unknown) => {
      this.#tell({ type: 'fault', reason: reasonOf(reason) });
    };
    for (const work$ of works) this.#running.add(work$.subscribe({ error }));
  }

  #flood$(): Observable<never> {
    return flood$({
      ...this.#host,
      trace: this.#tell,
      sessions$: this.#sessions$,
      own$: this.#own$,
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
      ...this.#host,
      looksAtNat: this.#techniques.some(({ looksAtNat }) => looksAtNat === true),
      trace: this.#tell,
      runToEnd: (work$) => {
        this.#closing.finish(work$);
      },
    }).pipe(
      tap((findings) => {
        this.#findings.next(findings);
      }),
    );
  }

  #whenStarted$<T>(next: () => Observable<T>): Observable<T> {
    return defer(() => from(this.start()).pipe(switchMap(next)));
  }

  readonly #tell: Trace = (step) => {
    if (step.type === 'server' || step.type === 'clock') {
      // What is as it was needs no telling.
      if (!(step.type === 'server' ? this.#servers.note(step) : this.#clocks.note(step))) return;
      this.#serversChanged.next();
    }
    if (this.#trace.observed) this.#trace.next({ ...step, at: this.#host.runtime.timeOfDay() });
  };

  async #shutDown(withinMs: number): Promise<void> {
    this.#closing.begin();
    this.#running.unsubscribe();
    await this.#closing.settle(this.#host.peers, withinMs, this.#host.runtime.scheduler);
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
    this.#closing.onBegin(() => {
      signal.removeEventListener('abort', onAbort);
    });
  }
}

/** The locator as far as it is known, even while the servers are still being asked. */
function ownIn({ local = { address: '0.0.0.0', port: 0 }, location }: Findings, config: ResolvedConfig): Unl {
  const unknown = { addresses: localAddresses(config.bind), servers: [], reaches: [], nats: [] };
  return (location ?? locate(config, local, unknown)).unl;
}

function expectPeer(peer: Unl, { security, identity }: ResolvedConfig): Unl {
  if (peer.version === 2 && security === 'tls') {
    throw new InvalidUnlError(
      "Expected a UNL of version 3, got PyP2P's version 2: it has no key, so that nobody can be proven to be its " +
        "owner. Ask for a version 3 UNL, or make the net with `security: 'plain'`.",
    );
  }
  if (peerNameOf(peer) === (peer.version === 3 ? identity.peerId : identity.nodeId)) {
    throw new InvalidUnlError("Expected another node's UNL, got this node's own");
  }
  return peer;
}
