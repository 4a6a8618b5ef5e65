import {
  catchError,
  defer,
  distinctUntilChanged,
  EMPTY,
  firstValueFrom,
  from,
  map,
  merge,
  noop,
  race,
  ReplaySubject,
  startWith,
  Subscription,
  switchMap,
  takeUntil,
  type Observable,
} from 'rxjs';
import { MAX_TIMER_MS, type NetConfig, type ResolvedConfig } from './config.js';
import { resolveConfig } from './config/resolve.js';
import type { AcceptOptions, Channel, Connection } from './connection/connection.js';
import { ClosedError, InvalidUnlError, reasonOf, UnavailableError } from './errors.js';
import type { PeerId } from './identity.js';
import type { Neighbour } from './lan/lan.js';
import { expectLine } from './link/lines.js';
import type { NetCheck } from './net/check/interface.js';
import { Closing } from './net/closing.js';
import type { ConnectOptions, Line, Net, NetStatus } from './net/interface.js';
import type { InviteOptions, InviteStep, PairOptions } from './net/pairing/interface.js';
import { loadPairing } from './net/pairing/load.js';
import type { PairingHost } from './net/pairing/servers.js';
import { preload } from './net/preload.js';
import type { RunningNet } from './net/running-net.js';
import { statusOf } from './net/status.js';
import { goOnWith } from './operators/go-on-with.js';
import { isSameJson } from './operators/same-json.js';
import { untilAborted } from './operators/until-aborted.js';
import type { PairedPeer } from './pairing/messages.js';
import type { ExposeOptions } from './remote/interface.js';
import { expectExposeOptions } from './remote/options.js';
import type { JoinOptions, Room } from './rooms/interface.js';
import { MESSAGE_MARGIN_BYTES, resolveJoin } from './rooms/options.js';
import type { Runtime } from './runtime.js';
import { NOTHING_FOUND } from './self/nothing-found.js';
import type { TraceEvent } from './trace.js';
import { formatUnl, parseUnl, peerNameOf } from './unl.js';
import type { Unl } from './unl/types.js';
import { expectChannelName, expectInteger } from './validate.js';

/** How long closing a net waits for peers to answer, in milliseconds. */
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
export function createNet(config: NetConfig, runtime?: Runtime): Net {
  return new LazyNet(resolveConfig(config), runtime);
}

/** A net that loads what it runs by when it starts, so that a program which does not start one yet is not held up. */
class LazyNet implements Net {
  readonly peerId: PeerId;
  readonly unl$: Observable<string>;
  readonly connections$: Observable<Connection>;
  readonly lines$: Observable<Line>;
  readonly neighbours$: Observable<readonly Neighbour[]>;
  readonly status$: Observable<NetStatus>;
  readonly trace$: Observable<TraceEvent>;

  readonly #config: ResolvedConfig;
  readonly #runtime: Runtime | undefined;
  readonly #closing = new Closing();
  readonly #loaded = new ReplaySubject<RunningNet>(1);
  readonly #rehearsal = new Subscription();

  /** The names by which objects are exposed. */
  readonly #exposed = new Set<string>();
  #running: RunningNet | undefined;
  #started: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(config: ResolvedConfig, runtime: Runtime | undefined) {
    this.#config = config;
    this.#runtime = runtime;
    this.peerId = config.identity.peerId;
    const loaded$ = this.#loaded.asObservable();
    this.connections$ = loaded$.pipe(goOnWith(({ connection$ }) => connection$));
    this.lines$ = loaded$.pipe(goOnWith(({ line$ }) => line$));
    this.neighbours$ = loaded$.pipe(goOnWith(({ neighbours$ }) => neighbours$));
    this.trace$ = loaded$.pipe(goOnWith(({ trace$ }) => trace$));
    this.unl$ = this.#whenStarted$(({ own$ }) => own$.pipe(map(formatUnl), distinctUntilChanged())).pipe(
      // Closing the net on purpose is no failure of a stream: a subscriber without an error handler must not end the process.
      catchError((error: unknown) => {
        if (this.#closing.isClosing) return EMPTY;
        throw error;
      }),
    );
    this.status$ = defer(() =>
      merge(loaded$.pipe(switchMap(({ changed$ }) => changed$)), this.#closing.begun$).pipe(
        startWith(undefined),
        map(() => this.#status()),
        distinctUntilChanged(isSameJson),
      ),
    );
    if (config.signal !== undefined) this.#closeOn(config.signal);
  }

  start(): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(new ClosedError('The net is closed: make a new one'));
    this.#started ??= this.#begin();
    // A failure rejects the returned promise and ends `unl$`. A caller that ignores the promise must not cause an unhandled
    // rejection.
    this.#started.catch(noop);
    return this.#started;
  }

  connect$(unl: string, { signal, ...options }: ConnectOptions = {}): Observable<Connection> {
    return defer(() => {
      const peer = expectPeer(parseUnl(unl), this.#config);
      const { timeoutMs } = options;
      if (timeoutMs !== undefined) expectInteger('timeoutMs', timeoutMs, 1, MAX_TIMER_MS);
      return this.#whenStarted$((net) => {
        // What is about to run for real needs no rehearsal.
        this.#rehearsal.unsubscribe();
        return net.connect$(peer, options);
      });
    }).pipe(untilAborted(signal));
  }

  invite$({ signal, ...options }: InviteOptions = {}): Observable<InviteStep> {
    return this.#whenPairing$(({ invite$ }, host) => invite$(options, host)).pipe(untilAborted(signal));
  }

  pair$({ signal, ...options }: PairOptions): Observable<PairedPeer> {
    return this.#whenPairing$(({ pair$ }, host) => pair$(options, host)).pipe(untilAborted(signal));
  }

  check$(): Observable<NetCheck> {
    return this.#whenStarted$((net) => net.check$());
  }

  channels$(name: string, options?: AcceptOptions): Observable<Channel> {
    expectChannelName(name);
    return this.#loaded.pipe(goOnWith((net) => net.channels$(name, options)));
  }

  join$(name: string, options: JoinOptions = {}): Observable<Room> {
    return defer(() => {
      const join = resolveJoin(name, options, this.#config.limits.messageBytes - MESSAGE_MARGIN_BYTES);
      if (!this.#config.provesKeys)
        throw new UnavailableError(
          "Expected `security` to be 'tls' for a room: what is said there is signed with keys",
        );
      return this.#whenStarted$((net) => net.join$(join));
    });
  }

  expose<T extends object>(exposed: T | ((connection: Connection) => T), options: ExposeOptions): Subscription {
    const name = expectExposeOptions(options, this.#exposed);
    this.#exposed.add(name);
    const subscription = new Subscription(() => this.#exposed.delete(name));
    subscription.add(
      this.#loaded.subscribe({
        next: ({ exposures }) => {
          subscription.add(exposures.add(exposed, options));
        },
        error: noop,
      }),
    );
    return subscription;
  }

  broadcast(text: string, except?: Connection): number {
    if (this.#running !== undefined) return this.#running.broadcast(text, except);
    // Nobody is there yet; what is no line is a mistake all the same.
    expectLine(text, this.#config.limits.lineBytes);
    return 0;
  }

  close(withinMs = CLOSE_WITHIN_MS): Promise<void> {
    this.#closed ??= this.#shutDown(withinMs);
    return this.#closed;
  }

  /** Loads all that a net runs by at once, its packages too: later the process may be out of descriptors (lib/packages.ts). */
  async #begin(): Promise<void> {
    const loading = Promise.all([loadRunningNet(), preload(this.#config)]);
    const [{ RunningNet, rehearseOnce$ }] = await firstValueFrom(race(loading, this.#closing.failing$));
    if (this.#closing.isClosing) throw new ClosedError('The net was closed meanwhile');
    this.#running = new RunningNet(this.#config, this.#closing, this.#runtime);
    this.#loaded.next(this.#running);
    this.#loaded.complete();
    await this.#running.start();
    // While the servers answer, or nobody has come yet. Specs, which give a runtime of their own, have their time for themselves.
    if (this.#runtime === undefined && this.#config.provesKeys) this.#rehearsal.add(rehearseOnce$().subscribe());
  }

  #status(): NetStatus {
    const nothing = {
      ...statusOf(this.#config, NOTHING_FOUND, [], this.#closing.isClosing),
      services: [],
      clock: undefined,
    };
    return this.#running?.status ?? nothing;
  }

  #whenStarted$<T>(next: (net: RunningNet) => Observable<T>): Observable<T> {
    return defer(() =>
      from(this.start()).pipe(
        switchMap(() => this.#loaded),
        switchMap(next),
      ),
    );
  }

  /** Fails once the net is being closed. */
  #whenPairing$<T>(
    next: (parts: Awaited<ReturnType<typeof loadPairing>>, host: PairingHost) => Observable<T>,
  ): Observable<T> {
    return this.#whenStarted$((net) =>
      from(loadPairing()).pipe(
        switchMap((parts) => next(parts, net.pairing)),
        takeUntil(this.#closing.failing$),
      ),
    );
  }

  async #shutDown(withinMs: number): Promise<void> {
    this.#closing.begin();
    this.#rehearsal.unsubscribe();
    this.#loaded.complete();
    await this.#running?.release(withinMs);
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

/**
 * Loads what every running net needs.
 *
 * @throws UnavailableError when that fails: Node remembers an import that failed and never tries it again in that process.
 */
async function loadRunningNet() {
  try {
    const loading = Promise.all([import('./net/running-net.js'), import('./net/rehearsal.js')]);
    const [{ RunningNet }, { rehearseOnce$ }] = await loading;
    return { RunningNet, rehearseOnce$ };
  } catch (cause) {
    throw new UnavailableError(`rxp2p could not be loaded: ${reasonOf(cause)}; start the process anew`, { cause });
  }
}

function expectPeer(peer: Unl, { provesKeys, identity }: ResolvedConfig): Unl {
  if (peer.version === 2 && provesKeys) {
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
