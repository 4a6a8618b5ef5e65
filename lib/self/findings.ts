import {
  combineLatest,
  defer,
  distinctUntilChanged,
  filter,
  first,
  map,
  of,
  repeat,
  shareReplay,
  startWith,
  switchMap,
  takeWhile,
  timer,
  type MonoTypeOperatorFunction,
  type Observable,
  type OperatorFunction,
} from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { familyOf, formatServer, serverOf, type Endpoint, type ServerAddress } from '../endpoint.js';
import { backoffMs } from '../operators/backoff.js';
import type { NetworkLook } from '../link/network-looks.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import type { Reach } from '../reachability.js';
import { sessions$, type ServerState } from '../rendezvous/client.js';
import { servicesOf } from '../rendezvous-name.js';
import type { Dialect } from '../rendezvous/dialect.js';
import type { Observer } from '../rendezvous/observe.js';
import type { RendezvousSession } from '../rendezvous/session.js';
import type { Runtime } from '../runtime.js';
import type { SelfTrace } from './steps.js';
import { formatUnl } from '../unl.js';
import { localAddresses, locate, type Location } from './locator.js';
import type { LocatorForm } from './locator-form.js';
import { natViews$, type NatView } from './nat-view.js';
import { reach$ } from './reach.js';

/** What a node knows about itself so far. */
export interface Findings {
  /** Where it listens; `undefined` until it does. */
  readonly local: Endpoint | undefined;
  readonly servers: readonly ServerState[];
  /** Whether others can dial it; `undefined` until that is being tested. */
  readonly reaches: readonly Reach[] | undefined;
  /** What its NAT is; `undefined` until the servers have been asked. */
  readonly nats: readonly NatView[] | undefined;
  /** `undefined` until enough of the rest is known. */
  readonly location: Location | undefined;
}

/** What this needs of the node. */
interface FindingsConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  /** How rendezvous servers are spoken to. */
  readonly dialect: Dialect;
  readonly locatorForm: LocatorForm;
  readonly trace: SelfTrace;
  /** Each look at this machine's network. */
  readonly network$: Observable<NetworkLook>;
  /** Whether the type of the NAT is needed. */
  readonly looksAtNat: boolean;
  /** Finishes clean-up after its caller has unsubscribed. */
  readonly runToEnd: (work$: Observable<unknown>) => void;
}

/** The longest pause between two looks at the NAT while too few servers have answered. */
const LOOK_AGAIN_MS = 60_000;

/**
 * Holds the sessions with the rendezvous servers, and finds out where servers see this node, whether others can dial it, and what
 * type its NAT is. Emits at once, and again on each change. Never completes, never fails.
 *
 * @param local where the node listens.
 */
export function findings$(local: Endpoint, dependencies: FindingsConfig): Observable<Findings> {
  return defer(() => {
    const { config, runtime, dialect, trace, network$: look$ } = dependencies;
    const sessionConfig = { ...config, runtime, dialect, network$: look$ };
    const servers$ = sessions$(config.rendezvous, sessionConfig, trace).pipe(latest());
    const addresses$ = addressesOf$(dependencies).pipe(latest());
    const network$ = networkOf$(addresses$, servers$, dependencies).pipe(latest());
    const reaches$ = reachOf$(local, servers$, network$, dependencies).pipe(latest());
    const nats$ = (dependencies.looksAtNat ? natOf$(addresses$, servers$, dependencies) : of([])).pipe(latest());
    const location$ = locationOf$(local, network$, reaches$, nats$, dependencies);
    return combineLatest({
      local: of(local),
      servers: servers$,
      reaches: reaches$.pipe(notYet()),
      nats: nats$.pipe(notYet()),
      location: location$.pipe(notYet()),
    });
  });
}

/** The sessions that are open, whenever they change. */
export function sessionsIn(servers$: Observable<readonly ServerState[]>): Observable<readonly RendezvousSession[]> {
  return servers$.pipe(
    map((states) => states.flatMap(({ session }) => session ?? [])),
    distinctUntilChanged((a, b) => a.length === b.length && a.every((session, index) => session === b[index])),
  );
}

/**
 * The round trip to the server that carries this node's signals by a family of addresses, in milliseconds: the first server that sees
 * the node by that family, which signals prefer, too. Else the round trip measured with the NAT; else 0. Pure.
 */
export function signalRoundTripMs({ servers, nats }: Findings, family: 4 | 6): number {
  const sessions = servers.flatMap(({ session }) => session ?? []);
  const isBy = ({ observed }: RendezvousSession) => observed !== undefined && familyOf(observed.address) === family;
  const carrying = sessions.find(isBy) ?? sessions[0];
  return carrying?.roundTripMs ?? nats?.find((view) => view.family === family)?.roundTripMs ?? 0;
}

/** This machine's addresses and what the servers say of it. */
interface Network {
  readonly addresses: readonly string[];
  readonly servers: readonly ServerState[];
}

/** This machine's addresses, whenever its network has been looked at. */
function addressesOf$({ config: { bind }, network$, trace }: FindingsConfig): Observable<readonly string[]> {
  let told: string | undefined;
  return network$.pipe(
    map(({ interfaces, failure, routed }) => {
      if (failure !== undefined && failure !== told) trace({ type: 'interfaces', reason: failure });
      told = failure;
      return localAddresses(bind, { routed, interfaces });
    }),
  );
}

/** The first value waits for the servers, but not for long. */
function networkOf$(
  addresses$: Observable<readonly string[]>,
  servers$: Observable<readonly ServerState[]>,
  { config: { timing }, runtime: { scheduler } }: FindingsConfig,
): Observable<Network> {
  return combineLatest([servers$, isLate$(timing.gatherMs, scheduler), addresses$]).pipe(
    filter(([servers, isLate]) => isLate || haveTold(servers)),
    map(([servers, , addresses]) => ({ addresses, servers })),
  );
}

/** Whether each server has answered or is down. */
export function haveTold(servers: readonly ServerState[]): boolean {
  return servers.every(({ session, failure }) => session ?? failure);
}

/** Whether others can dial this node. */
function reachOf$(
  { port }: Endpoint,
  servers$: Observable<readonly ServerState[]>,
  network$: Observable<Network>,
  dependencies: FindingsConfig,
): Observable<readonly Reach[]> {
  return reach$({
    ...dependencies,
    port,
    observed$: network$.pipe(map(({ servers }) => observedIn(servers))),
    servers$: servers$.pipe(map((servers) => reachabilityServers(dependencies.config, servers))),
  });
}

/** The configured reachability servers, else the HTTP services of the rendezvous servers and of other servers. */
export function reachabilityServers(config: ResolvedConfig, servers: readonly ServerState[]): readonly URL[] {
  const { reachability } = config;
  if (reachability === false || reachability.length > 0) return reachability || [];
  return [...servers.flatMap((state) => httpUrlOf(state) ?? []), ...httpServers(config)];
}

/** The URL of the HTTP services of a rendezvous server, if the server names their port, or is itself below that URL. */
export function httpUrlOf({ server, httpPort }: Pick<ServerState, 'server' | 'httpPort'>): URL | undefined {
  const { host } = server;
  return servicesOf(server) ?? (httpPort === undefined ? undefined : httpUrl({ host, port: httpPort }));
}

/** The mailbox servers, and the DHT nodes to join by: they have all HTTP services, but PyP2P's mailboxes have none. */
export function httpServers({ mailbox, dht, provesKeys }: ResolvedConfig): readonly URL[] {
  return provesKeys ? [...mailbox, ...dht.map(httpUrl)] : [];
}

function httpUrl(server: ServerAddress): URL {
  return new URL(`http://${formatServer(server)}/`);
}

/** The servers that can tell where they see this node: rendezvous servers, HTTP services, and those of STUN. */
export function observersOf(config: ResolvedConfig): readonly Observer[] {
  const { rendezvous, reachability, stun } = config;
  // Those by WebSocket are asked by HTTP: it takes fewer round trips.
  const lines = rendezvous.filter((server) => servicesOf(server) === undefined);
  const services = rendezvous.flatMap((server) => servicesOf(server) ?? []);
  const each = new Map([...services, ...(reachability || []), ...httpServers(config)].map((url) => [url.href, url]));
  const others = [...each.values()].map((url) => ({
    ...serverOf(url),
    path: new URL('address', url).pathname,
    isSecure: url.protocol === 'https:',
  }));
  return [
    ...lines,
    // Usually both run on the same hosts, where one observation is enough.
    ...others.filter(({ host }) => !lines.some((server) => server.host === host)),
    ...stun.map((server) => ({ ...server, isStun: true })),
  ];
}

/** What this node's NAT is: at once, again when the first server becomes reachable, and whenever the network changes. */
function natOf$(
  addresses$: Observable<readonly string[]>,
  servers$: Observable<readonly ServerState[]>,
  { config, runtime, dialect, trace }: FindingsConfig,
): Observable<readonly NatView[]> {
  const { rendezvous, timing } = config;
  const { scheduler } = runtime;
  const observers = observersOf(config);
  return combineLatest([addresses$, servers$.pipe(map(observedIn))]).pipe(
    distinctUntilChanged(
      ([addresses, observed], [nextAddresses, nextObserved]) =>
        String(addresses) === String(nextAddresses) &&
        (observed.length === 0 || String(observed) === String(nextObserved)),
    ),
    switchMap(([addresses]) => {
      const session$ =
        observers.length > rendezvous.length
          ? of(undefined)
          : sessionsIn(servers$).pipe(first((sessions) => sessions.length > 0));
      return natViews$(observers, addresses, { ...config, runtime, dialect }, trace).pipe(
        // A server that did not answer may answer soon, and most NAT types can only be told apart with two servers.
        repeat({
          delay: (count) =>
            timer(backoffMs(count, timing.reconnectMaxMs, LOOK_AGAIN_MS, runtime.random), scheduler).pipe(
              switchMap(() => session$),
            ),
        }),
        takeWhile((views) => !views.some(({ servers }) => servers.length >= Math.min(2, observers.length)), true),
      );
    }),
  );
}

/** This node's location, on each change. The first value waits for the reachability and the NAT, but not for long. */
function locationOf$(
  local: Endpoint,
  network$: Observable<Network>,
  reaches$: Observable<readonly Reach[]>,
  nats$: Observable<readonly NatView[]>,
  { config, runtime: { scheduler }, locatorForm }: FindingsConfig,
): Observable<Location> {
  return combineLatest([
    // Most looks show what the one before has shown, and writing a locator costs more than a look.
    network$.pipe(distinctUntilChanged(isSameNetwork)),
    reaches$.pipe(notYet()),
    nats$.pipe(notYet()),
    isLate$(config.timing.gatherMs, scheduler),
  ]).pipe(
    filter(
      ([, reaches, nats, isLate]) =>
        isLate || (reaches?.every(({ isSettled }) => isSettled) === true && nats !== undefined),
    ),
    map(([network, reaches = [], nats = []]) => locate(config, local, { ...network, reaches, nats }, locatorForm)),
    distinctUntilChanged((a, b) => formatUnl(a.unl) === formatUnl(b.unl)),
  );
}

function isSameNetwork(one: Network, other: Network): boolean {
  return one.servers === other.servers && String(one.addresses) === String(other.addresses);
}

/** Where servers see this node, each address once, in an order that does not depend on who answered first. */
function observedIn(servers: readonly ServerState[]): readonly string[] {
  return [...new Set(servers.flatMap(({ observed }) => observed?.address ?? []))].sort();
}

export function isLate$(ms: number, scheduler: Runtime['scheduler']): Observable<boolean> {
  return timer(ms, scheduler).pipe(
    map(() => true),
    startWith(false),
  );
}

/** A failure of one part does not stop the others. */
function notYet<T>(): OperatorFunction<T, T | undefined> {
  return (source$) => source$.pipe(ignoreErrors(), startWith(undefined));
}

/** Shares one subscription among all subscribers, and replays the latest value. */
function latest<T>(): MonoTypeOperatorFunction<T> {
  return shareReplay({ bufferSize: 1, refCount: true });
}
