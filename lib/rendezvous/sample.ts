import {
  catchError,
  connect,
  filter,
  first,
  forkJoin,
  map,
  merge,
  of,
  scan,
  switchMap,
  take,
  takeUntil,
  timeout,
  timer,
  toArray,
  type MonoTypeOperatorFunction,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { familyOf } from '../endpoint.js';
import { addressesOf$ } from '../link/names.js';
import { observe$, type Observation, type ObserveConfig, type Observer } from './observe.js';

/** What it takes to ask several servers. */
export interface SampleConfig extends ObserveConfig {
  /** Is told of each look that has failed, and why. */
  readonly failed?: ((server: Observer, why: unknown) => void) | undefined;
}

/** Local ports that are looked at to classify a NAT (PyP2P: 5), one after the other, as a NAT with a rule would show it. */
const SAMPLED_PORTS = 5;

/**
 * What is late gets as long again as all that it takes has taken, and once more: time enough for a server that is three times
 * as far, or by the other family, and far less than a server that is down would take.
 */
const GRACE = 2;

/** A name that takes longer to look up, in milliseconds, does not hold up the others. */
const LOOKUP_MS = 1_000;

/** Servers that each is looked at from: two of each family, the least that tells a mapping that depends on them. */
const SAMPLING_SERVERS = 4;

/**
 * Looks at five consecutive local ports from up to four servers, all side by side, so that the whole takes as long as one.
 * Emits what came of it, in the order in which the SYNs were sent, and completes; what failed or is late is left out. It takes `timing.natMs`
 * at most, and before that a second at most for the names of the servers. A server that says nothing is not waited for that long when two others have told all.
 *
 * @param firstPort the lowest of the local ports.
 *
 * @example
 * sample$(servers, 40_000, config).subscribe((samples) => console.log(classify(samples, localAddresses)));
 */
export function sample$(
  servers: readonly Observer[],
  firstPort: number,
  config: SampleConfig,
): Observable<readonly Observation[]> {
  const some = servers.slice(0, SAMPLING_SERVERS);
  if (some.length === 0) return of([]);
  // A resolver answers in any order, and so would the SYNs leave that wait for it: then no rule could be seen in their ports.
  return forkJoin(some.map((server) => lookedUp$(server, config))).pipe(
    switchMap((known) => samplesOf$(known, firstPort, config)),
  );
}

/** A server, with its addresses, if they are known. */
interface Known {
  readonly server: Observer;
  readonly addresses: readonly string[] | undefined;
}

/** Looks a server up. What fails, or takes too long, is left to whoever dials. */
function lookedUp$(server: Observer, { bind, runtime }: SampleConfig): Observable<Known> {
  const family = bind === undefined ? undefined : familyOf(bind);
  return addressesOf$(server.at ?? server.host, family).pipe(
    map((addresses): Known => ({ server, addresses })),
    timeout({ first: LOOKUP_MS, scheduler: runtime.scheduler, with: () => of({ server, addresses: undefined }) }),
    catchError(() => of({ server, addresses: undefined })),
  );
}

function samplesOf$(
  known: readonly Known[],
  firstPort: number,
  config: SampleConfig,
): Observable<readonly Observation[]> {
  const { runtime, timing } = config;
  const localPorts = Array.from({ length: SAMPLED_PORTS }, (_, i) => firstPort + i);
  const looks = localPorts.flatMap((localPort) => known.map((each) => ({ ...each, localPort })));
  const observations = looks.map(({ server, addresses, localPort }, order) =>
    observe$(server, localPort, config, addresses).pipe(
      map((observation) => ({ order, observation })),
      catchError((why: unknown) => {
        config.failed?.(server, why);
        return of(undefined);
      }),
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
