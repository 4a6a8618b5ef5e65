import {
  BehaviorSubject,
  catchError,
  combineLatest,
  defaultIfEmpty,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  firstValueFrom,
  forkJoin,
  ignoreElements,
  map,
  merge,
  of,
  race,
  ReplaySubject,
  startWith,
  Subject,
  Subscription,
  switchMap,
  takeWhile,
  takeUntil,
  tap,
  throwIfEmpty,
  timer,
  type Observable,
} from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import type { AcceptOptions, Channel, Connection } from '../connection/connection.js';
import { Acceptors } from '../connection/channels/acceptors.js';
import type { Endpoint } from '../endpoint.js';
import { ClosedError, ConnectError, reasonOf } from '../errors.js';
import type { Lan, Neighbour } from '../lan/lan.js';
import { networkLooks$, type NetworkLook } from '../link/network-looks.js';
import type { Listener } from '../link/tcp.js';
import { secureContextOf } from '../link/tls.js';
import { Attempts } from './attempts.js';
import { carriersOf } from './carriers.js';
import { checkOf } from './check/check.js';
import { factsOf } from './check/facts.js';
import type { NetCheck } from './check/interface.js';
import { ClockWatch } from './clock-watch.js';
import type { Closing } from './closing.js';
import { flood$ } from './flood.js';
import type { ConnectOptions, Line, NetStatus } from './interface.js';
import { Lines } from './lines.js';
import { localNetworkOf, neighboursOf$ } from './local-network.js';
import { kindOf } from './security.js';
import { ServerWatch } from './server-watch.js';
import { statusOf } from './status.js';
import { techniquesOf } from './techniques.js';
import { maintainConnections$ } from './maintenance.js';
import { receive$ } from '../peers/inbound.js';
import { Peers } from '../peers/peers.js';
import { Sightings } from '../peers/sightings.js';
import { Exposures } from '../remote/expose.js';
import { webTlsBy } from '../link/web-tls.js';
import { systemRuntime, type Runtime } from '../runtime.js';
import { findings$, sessionsIn, signalRoundTripMs, type Findings } from '../self/findings.js';
import { NOTHING_FOUND } from '../self/nothing-found.js';
import type { LocatorForm } from '../self/locator-form.js';
import { isOneAddress, isOnLink, localAddresses, locate } from '../self/locator.js';
import { signallingOver } from '../signalling/over-carriers.js';
import type { TechniqueHost } from '../techniques/host.js';
import { stagesOf } from '../techniques/stages.js';
import type { NodeTechnique } from '../techniques/technique.js';
import type { Trace, TraceEvent } from '../trace.js';
import type { Unl } from '../unl/types.js';

/** What has not been found out after this time, in milliseconds, is left out of a check: far more than a router takes that does not answer. */
const CHECK_MS = 20_000;

/** A net once it has been loaded: its parts put together, and what it does for as long as it runs. */
export class RunningNet {
  /** The locator of this node, whenever it changes; fails when the net cannot listen. */
  readonly own$: Observable<Unl>;
  /** Every connection that both sides hold. */
  readonly connection$: Observable<Connection>;
  readonly line$: Observable<Line>;
  /** See `Net.neighbours$`. */
  readonly neighbours$: Observable<readonly Neighbour[]>;
  /** Emits when {@link status} may have changed. */
  readonly changed$: Observable<unknown>;
  readonly trace$: Observable<TraceEvent>;
  /** The objects that peers may call. */
  readonly exposures: Exposures<Connection>;

  readonly #config: ResolvedConfig;
  readonly #closing: Closing;
  readonly #running = new Subscription();
  readonly #trace = new Subject<TraceEvent>();
  readonly #servers = new ServerWatch();
  readonly #clocks = new ClockWatch();
  readonly #serversChanged = new Subject<void>();
  readonly #released = new Subject<void>();
  readonly #listener = new ReplaySubject<Listener>(1);
  readonly #findings = new BehaviorSubject<Findings>(NOTHING_FOUND);
  readonly #located$ = this.#findings.pipe(
    map(({ location }) => location?.unl),
    filter((unl) => unl !== undefined),
    distinctUntilChanged(),
  );
  readonly #sessions$ = sessionsIn(this.#findings.pipe(map(({ servers }) => servers)));
  readonly #host: TechniqueHost;
  readonly #lan: Lan | undefined;
  readonly #locatorForm: LocatorForm;
  readonly #techniques: readonly NodeTechnique[];
  readonly #attempts: Attempts;
  readonly #lines: Lines;
  /** Who takes channels of any connection. */
  readonly #acceptors = new Acceptors();

  constructor(config: ResolvedConfig, closing: Closing, given: Runtime = systemRuntime) {
    const { identity, ca } = config;
    const runtime = ca === undefined ? given : { ...given, webTls$: webTlsBy(ca) };
    this.#config = config;
    this.#closing = closing;
    const context = secureContextOf(identity);
    const { security, dialect, locatorForm } = kindOf({ config, runtime, context });
    const sightings = new Sightings({ now: () => runtime.scheduler.now() });
    const peers = new Peers(config, runtime, security, this.#tell);
    this.#locatorForm = locatorForm;
    const own = () => ownIn(this.#findings.value, config, locatorForm);
    const network$ = networkOf$(config, runtime);
    const lan = localNetworkOf({ config, findings$: this.#findings, own, network$, runtime, trace: this.#tell });
    this.#lan = lan;
    this.#host = {
      config,
      runtime,
      context,
      security,
      dialect,
      peers,
      sightings,
      looksForItself: config.turn.length > 0 && config.relay !== false,
      signalling: signallingOver({
        identity,
        carriers: carriersOf(config, this.#sessions$, lan, runtime, this.#tell),
        addressOf: (peerId) => sightings.addressOf(peerId),
        runtime,
        trace: this.#tell,
      }),
      findings$: this.#findings,
      network$,
      own,
      roundTripMs: (family) => signalRoundTripMs(this.#findings.value, family),
      trace: this.#tell,
    };
    this.#techniques = techniquesOf(this.#host);
    this.#attempts = new Attempts({
      ...this.#host,
      own$: this.#located$,
      isDialled: () =>
        config.forwarded || this.#findings.value.reaches?.some(({ isReachable }) => isReachable === true) === true,
      roundTripMs: () => this.#host.roundTripMs(4) || undefined,
      nearby$: lan === undefined ? undefined : (peerId) => lan.find$(peerId),
      techniques: this.#techniques,
      closed$: this.#closing.failing$,
      runToEnd: (work$) => {
        this.#closing.finishBefore(work$);
      },
    });
    this.exposures = new Exposures(config.limits, () => runtime.scheduler.now());
    this.#lines = new Lines(config, runtime, peers, this.#tell);
    this.#run(
      peers.begun$.pipe(
        tap((connection) => {
          connection.acceptWith(this.#acceptors, this.exposures);
        }),
      ),
    );
    this.trace$ = this.#trace.asObservable();
    this.connection$ = peers.connection$;
    this.line$ = this.#lines.line$;
    this.neighbours$ = neighboursOf$(lan).pipe(takeUntil(this.#released));
    this.own$ = merge(this.#located$, this.#listener.pipe(ignoreElements()));
    this.changed$ = merge(this.#findings, this.#serversChanged, peers.connection$, peers.left$);
  }

  get status(): NetStatus {
    return {
      ...statusOf(this.#config, this.#findings.value, this.#host.peers.all, this.#closing.isClosing),
      services: this.#servers.all,
      clock: this.#clocks.status,
    };
  }

  /** Listens, and begins. */
  async start(): Promise<void> {
    const { bind, port } = this.#config;
    this.#running.add(this.#host.runtime.listen$({ address: bind, port }).subscribe(this.#listener));
    this.#begin(await firstValueFrom(race(this.#listener, this.#closing.failing$)));
  }

  connect$(peer: Unl, { techniques, relayFirst, timeoutMs }: ConnectOptions): Observable<Connection> {
    return defer(() => {
      const stagesFor = stagesOf(this.#techniques, { techniques, relayFirst });
      return this.#attempts.connect$(peer, { stagesFor, timeoutMs });
    }).pipe(
      catchError((error: unknown) => {
        if (!(error instanceof ConnectError)) throw error;
        const { peerId, attempts, cause } = error;
        throw new ConnectError(peerId, attempts, { cause }, this.#servers.unreachable());
      }),
    );
  }

  /** See `Net.check$`. */
  check$(): Observable<NetCheck> {
    const { scheduler } = this.#host.runtime;
    const isLate$ = timer(CHECK_MS, scheduler).pipe(
      map(() => true),
      startWith(false),
    );
    return combineLatest([isLate$, this.changed$.pipe(startWith(undefined))]).pipe(
      map(([isLate]) => {
        const known = { services: this.#servers.all, clock: this.#clocks.status, isLate };
        return checkOf(factsOf(this.#config, this.#findings.value, known));
      }),
      distinctUntilChanged((one, other) => JSON.stringify(one) === JSON.stringify(other)),
      takeWhile(({ isSettled }) => !isSettled, true),
    );
  }

  /** See `Net.channels$`. */
  channels$(name: string, options?: AcceptOptions): Observable<Channel> {
    return this.#acceptors.channels$(name, options);
  }

  broadcast(text: string, except?: Connection): number {
    return this.#lines.broadcast(text, except);
  }

  /** Gives everything back once the net has begun to close. */
  async release(withinMs: number): Promise<void> {
    this.#running.unsubscribe();
    this.#released.next();
    await this.#closing.settle(this.#host.peers, withinMs, this.#host.runtime.scheduler);
    this.#listener.complete();
    this.#acceptors.complete();
    this.#findings.complete();
    this.#trace.complete();
    this.#serversChanged.complete();
  }

  /** What a node does for as long as it runs. */
  #begin({ local, socket$ }: Listener): void {
    this.#tell({ type: 'listening', local });
    const { mode, provesKeys } = this.#config;
    this.#run(
      receive$(socket$, this.#host),
      this.#find$(local),
      ...this.#techniques.map(({ answer$ }) => answer$),
      mode === 'p2p' ? this.#flood$() : EMPTY,
      this.#lan?.neighbours$ ?? EMPTY,
      provesKeys ? maintainConnections$({ ...this.#host, attempts: this.#attempts, own$: this.#located$ }) : EMPTY,
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
      own$: this.#located$,
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
      locatorForm: this.#locatorForm,
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

  readonly #tell: Trace = (step) => {
    if (step.type === 'server' || step.type === 'clock') {
      // What is as it was needs no telling.
      if (!(step.type === 'server' ? this.#servers.note(step) : this.#clocks.note(step))) return;
      this.#serversChanged.next();
    }
    if (this.#trace.observed) this.#trace.next({ ...step, at: this.#host.runtime.timeOfDay() });
  };
}

/** Looks at this machine's network for as long as anybody wants to know. */
function networkOf$({ bind, timing }: ResolvedConfig, { routedAddress$, scheduler }: Runtime): Observable<NetworkLook> {
  const routes$ = ([4, 6] as const).map((family) => routedAddress$(family).pipe(defaultIfEmpty(undefined)));
  // A node that is bound to one address has no others to put in order.
  const routed$ = isOneAddress(bind)
    ? of([])
    : forkJoin(routes$).pipe(map((addresses) => addresses.filter((address) => address !== undefined)));
  return networkLooks$({ everyMs: timing.networkMs, routed$, scheduler });
}

/** The locator as far as it is known, even while the servers are still being asked. */
function ownIn(
  { local = { address: '0.0.0.0', port: 0 }, location }: Findings,
  config: ResolvedConfig,
  form: LocatorForm,
): Unl {
  const unknown = { addresses: localAddresses(config.bind), servers: [], reaches: [], nats: [] };
  return (location ?? locate(config, local, unknown, form)).unl;
}
