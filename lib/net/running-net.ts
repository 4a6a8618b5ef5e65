import {
  BehaviorSubject,
  catchError,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  firstValueFrom,
  ignoreElements,
  map,
  merge,
  race,
  ReplaySubject,
  Subject,
  Subscription,
  switchMap,
  takeUntil,
  tap,
  throwIfEmpty,
  type Observable,
} from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { Acceptors } from '../connection/channels/acceptors.js';
import type { AcceptOptions, Channel, Connection } from '../connection/connection.js';
import type { Endpoint } from '../endpoint.js';
import { ClosedError, ConnectError, reasonOf } from '../errors.js';
import type { Neighbour } from '../lan/lan.js';
import type { Listener } from '../link/tcp.js';
import { webTlsBy } from '../link/web-tls.js';
import { receive$ } from '../peers/inbound.js';
import { Exposures } from '../remote/expose.js';
import type { Room } from '../rooms/interface.js';
import type { ResolvedJoin } from '../rooms/options.js';
import { systemRuntime, type Runtime } from '../runtime.js';
import { findings$, type Findings } from '../self/findings.js';
import { isOnLink } from '../self/locator.js';
import { NOTHING_FOUND } from '../self/nothing-found.js';
import type { TechniqueHost } from '../techniques/host.js';
import { stagesOf } from '../techniques/stages.js';
import type { NodeTechnique } from '../techniques/technique.js';
import type { TraceEvent } from '../trace.js';
import type { Unl } from '../unl/types.js';
import { Attempts } from './attempts.js';
import { asked$ } from './check/asked.js';
import { checks$ } from './check/checks.js';
import { factsOf } from './check/facts.js';
import type { NetCheck } from './check/interface.js';
import type { Closing } from './closing.js';
import { flood$ } from './flood.js';
import type { ConnectOptions, Line, NetStatus } from './interface.js';
import { Lines } from './lines.js';
import { neighboursOf$ } from './local-network.js';
import { maintainConnections$ } from './maintenance.js';
import { nodeOf, type Node } from './node.js';
import type { PairingHost } from './pairing/servers.js';
import { Reports } from './reports.js';
import { findersOf } from './finders.js';
import { patiently, ROOM_DIAL_MS, Rooms } from './rooms.js';
import { statusOf } from './status.js';
import { techniquesOf } from './techniques.js';

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
  readonly #reports: Reports;
  readonly #released = new Subject<void>();
  readonly #listener = new ReplaySubject<Listener>(1);
  readonly #findings = new BehaviorSubject<Findings>(NOTHING_FOUND);
  readonly #located$ = this.#findings.pipe(
    map(({ location }) => location?.unl),
    filter((unl) => unl !== undefined),
    distinctUntilChanged(),
  );
  readonly #node: Node;
  readonly #host: TechniqueHost;
  readonly #techniques: readonly NodeTechnique[];
  readonly #attempts: Attempts;
  readonly #lines: Lines;
  readonly #rooms: Rooms;
  /** Who takes channels of any connection. */
  readonly #acceptors = new Acceptors();

  constructor(config: ResolvedConfig, closing: Closing, given: Runtime = systemRuntime) {
    const { ca } = config;
    const runtime = ca === undefined ? given : { ...given, webTls$: webTlsBy(ca) };
    const reports = new Reports(runtime.timeOfDay);
    const trace = reports.tell;
    const findings = () => this.#findings.value;
    const node = nodeOf({ config, runtime, findings$: this.#findings, findings, trace });
    const { host, lan } = node;
    const { peers } = host;
    this.#config = config;
    this.#closing = closing;
    this.#reports = reports;
    this.#node = node;
    this.#host = host;
    this.#techniques = techniquesOf(host);
    this.#attempts = new Attempts({
      ...host,
      own$: this.#located$,
      isDialled: () =>
        config.forwarded || this.#findings.value.reaches?.some(({ isReachable }) => isReachable === true) === true,
      roundTripMs: () => host.roundTripMs(4) || undefined,
      nearby$: lan === undefined ? undefined : (peerId) => lan.find$(peerId),
      techniques: this.#techniques,
      closed$: closing.failing$,
      runToEnd: (work$) => {
        closing.finishBefore(work$);
      },
    });
    this.exposures = new Exposures(config.limits, () => runtime.scheduler.now());
    this.#lines = new Lines(config, runtime, peers, trace);
    this.#rooms = new Rooms({
      ...host,
      trace,
      acceptors: this.#acceptors,
      own$: this.#located$,
      find: findersOf(node, trace),
      connect$: (peer) =>
        this.#attempts.connect$(peer, { stagesFor: patiently(stagesOf(this.#techniques)), timeoutMs: ROOM_DIAL_MS }),
      closing$: closing.begun$,
    });
    this.#run(
      peers.begun$.pipe(
        tap((connection) => {
          connection.acceptWith(this.#acceptors, this.exposures);
        }),
      ),
    );
    this.trace$ = reports.trace$;
    this.connection$ = peers.connection$;
    this.line$ = this.#lines.line$;
    this.neighbours$ = neighboursOf$(lan).pipe(takeUntil(this.#released));
    this.own$ = merge(this.#located$, this.#listener.pipe(ignoreElements()));
    this.changed$ = merge(this.#findings, reports.changed$, peers.connection$, peers.left$);
  }

  get status(): NetStatus {
    return {
      ...statusOf(this.#config, this.#findings.value, this.#host.peers.all, this.#closing.isClosing),
      services: this.#reports.services,
      clock: this.#reports.clock,
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
      tap((connection) => {
        this.#rooms.handedOver(connection);
      }),
      catchError((error: unknown) => {
        if (!(error instanceof ConnectError)) throw error;
        const { peerId, attempts, cause } = error;
        throw new ConnectError(peerId, attempts, { cause }, this.#reports.unreachable());
      }),
    );
  }

  /** See `Net.check$`. */
  check$(): Observable<NetCheck> {
    return checks$({
      facts: (isLate, asked) => {
        const { services, clock } = this.#reports;
        return factsOf(this.#config, this.#findings.value, { services, clock, asked, isLate });
      },
      asked$: asked$({ ...this.#host, findings$: this.#findings }),
      asking$: merge(...this.#techniques.map(({ check$ }) => check$ ?? EMPTY)).pipe(
        tap((report) => {
          this.#reports.tell({ type: 'server', ...report });
        }),
      ),
      changed$: this.changed$,
      scheduler: this.#host.runtime.scheduler,
    });
  }

  /** What meeting peers by codes needs of this node. */
  get pairing(): PairingHost {
    const { config, runtime, own, signalling } = this.#host;
    const { lan } = this.#node;
    const runToEnd = (work$: Observable<unknown>) => {
      this.#closing.finishBefore(work$);
    };
    const here = lan && { lan, signalling, runtime, runToEnd };
    return { config, runtime, own, own$: this.#located$, findings$: this.#findings, here };
  }

  /** See `Net.join$`. */
  join$(join: ResolvedJoin): Observable<Room> {
    return this.#rooms.join$(join);
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
    this.#reports.complete();
  }

  /** What a node does for as long as it runs. */
  #begin({ local, socket$ }: Listener): void {
    this.#reports.tell({ type: 'listening', local });
    const { mode, provesKeys } = this.#config;
    this.#run(
      receive$(socket$, this.#host),
      this.#find$(local),
      ...this.#techniques.map(({ answer$ }) => answer$),
      mode === 'p2p' ? this.#flood$() : EMPTY,
      this.#node.lan?.neighbours$ ?? EMPTY,
      provesKeys ? maintainConnections$({ ...this.#host, attempts: this.#attempts, own$: this.#located$ }) : EMPTY,
    );
  }

  /** Has them go on until the net is closed, each whatever becomes of the others. */
  #run(...works: readonly Observable<unknown>[]): void {
    const error = (reason: unknown) => {
      this.#reports.tell({ type: 'fault', reason: reasonOf(reason) });
    };
    for (const work$ of works) this.#running.add(work$.subscribe({ error }));
  }

  #flood$(): Observable<never> {
    return flood$({
      ...this.#host,
      trace: this.#reports.tell,
      sessions$: this.#node.sessions$,
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
      locatorForm: this.#node.locatorForm,
      looksAtNat: this.#techniques.some(({ looksAtNat }) => looksAtNat === true),
      trace: this.#reports.tell,
      runToEnd: (work$) => {
        this.#closing.finish(work$);
      },
    }).pipe(
      tap((findings) => {
        this.#findings.next(findings);
      }),
    );
  }
}
