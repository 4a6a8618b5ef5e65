import {
  catchError,
  combineLatest,
  concatMap,
  concatWith,
  defaultIfEmpty,
  defer,
  distinctUntilChanged,
  exhaustMap,
  filter,
  map,
  merge,
  NEVER,
  of,
  repeat,
  shareReplay,
  startWith,
  switchMap,
  take,
  takeUntil,
  takeWhile,
  tap,
  throwError,
  throwIfEmpty,
  timer,
  type Observable,
} from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { familyOf, formatEndpoint, sameEndpoint, scopeOf } from '../endpoint.js';
import { PortMappingError, reasonOf } from '../errors.js';
import type { Mapping } from '../port-mapping/mapping.js';
import { isSameJson } from '../operators/same-json.js';
import { takeTurns, type Turn } from '../operators/take-turns.js';
import { lookByAny$, type Look, type Reach } from '../reachability.js';
import type { Runtime } from '../runtime.js';
import { openPort } from '../port-mapping/open-port.js';
import type { PortRequest } from '../port-mapping/mapper.js';
import type { SelfTrace } from './steps.js';
import { isOneAddress } from './locator.js';

/** What becoming reachable needs. */
interface ReachConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly trace: SelfTrace;
  /** Where the node listens. */
  readonly port: number;
  /** Where rendezvous servers see this node. Emits repeatedly, even without a change: this machine's own network may have changed. */
  readonly observed$: Observable<readonly string[]>;
  /** The reachability servers that are known by now; replays the latest. */
  readonly servers$: Observable<readonly URL[]>;
  /** Finishes clean-up after its caller has unsubscribed. */
  readonly runToEnd: (work$: Observable<unknown>) => void;
}

/** The part of the network state that matters for one family of addresses. When it changes, everything is tested again. */
interface Place {
  /** The local address to which the gateway is to forward connections. */
  readonly internal: string;
  /** Where rendezvous servers see this node by this family. */
  readonly observed: readonly string[];
}

/**
 * Finds out whether others can dial this node, for each family of addresses that it has. If not, it asks the gateway to open a port, and
 * keeps that open while subscribed. Emits the result whenever it changes. Tries again from time to time, and when the network changes.
 * Never fails.
 *
 * A node that can be dialled already, without a NAT or by a port that was forwarded by hand, leaves the router alone: it searches
 * for the gateway, but asks it for nothing. It repeats the test from time to time.
 */
export function reach$(dependencies: ReachConfig): Observable<readonly Reach[]> {
  const { config, observed$ } = dependencies;
  if (config.forwarded || config.reachability === false) return of([]);
  return combineLatest(
    ([4, 6] as const).map((family) => {
      // One queue for the lifetime of the node: mappings in the previous network are given back first.
      const turn = takeTurns();
      return observed$.pipe(
        concatMap((observed) => place$(family, observed, dependencies)),
        distinctUntilChanged(isSameJson),
        switchMap((place) => (place === undefined ? of(undefined) : reachAt$(family, place, turn, dependencies))),
      );
    }),
  ).pipe(map((reaches) => reaches.filter((reach) => reach !== undefined)));
}

/** A lost port is asked for again once after this time, in milliseconds; then at the usual interval. */
const LOST_RETRY_MS = 1_000;

const NOT_YET = {
  isSettled: false,
  isReachable: undefined,
  endpoint: undefined,
  mapping: undefined,
  isBehindAnotherNat: false,
  isOpenedInVain: false,
} as const;

/** Where this node is by one family; `undefined` if nobody outside could dial it there in any case. */
function place$(
  family: 4 | 6,
  observed: readonly string[],
  { config: { bind, reachability }, runtime }: ReachConfig,
): Observable<Place | undefined> {
  const internal$ = isOneAddress(bind) ? of(bind) : runtime.routedAddress$(family);
  return internal$.pipe(
    filter((internal) => {
      const scope = scopeOf(internal);
      // A node on loopback is tested only when a server to ask was named.
      if (scope === 'loopback') return reachability !== false && reachability.length > 0;
      return family === 4 || scope === 'global';
    }),
    filter((internal) => familyOf(internal) === family),
    map((internal) => ({ internal, observed: observed.filter((address) => familyOf(address) === family) })),
    defaultIfEmpty(undefined),
  );
}

function reachAt$(family: 4 | 6, place: Place, turn: Turn, dependencies: ReachConfig): Observable<Reach> {
  const { config, runtime, port, trace } = dependencies;
  const { scheduler } = runtime;
  const { mappingRetryMs } = config.timing;
  const searching: Reach = { ...NOT_YET, family, words: 'It is being looked into' };
  let pauseMs = mappingRetryMs;
  return defer(() => {
    const begun = scheduler.now();
    pauseMs = mappingRetryMs;
    // A node without a NAT can probably be dialled, so it is tested twice before that is denied.
    const isOpen = place.observed.includes(place.internal);
    const own$ = turn((isOpen ? lookTwice$ : look$)(port, place, dependencies)).pipe(
      shareReplay({ bufferSize: 1, refCount: true }),
    );
    const isReachable$ = own$.pipe(filter((look) => look?.isReachable === true));
    const isOver$ = timer(mappingRetryMs, mappingRetryMs, scheduler).pipe(
      exhaustMap(() => lookTwice$(port, place, dependencies)),
      filter((look) => look?.isReachable === false),
      tap(() => {
        pauseMs = 0;
      }),
    );
    const direct$ = isReachable$.pipe(
      map((look) => directReach(family, look)),
      concatWith(NEVER),
      takeUntil(isOver$),
    );
    let isMapped = false;
    const mapped$ = request$(place, turn, dependencies).pipe(
      openPort(config.portMapping, (protocol, outcome) => {
        trace({ type: 'port-mapping', protocol, ...outcome });
      }),
      // A renewal changes nothing.
      distinctUntilChanged((a, b) => a.protocol === b.protocol && sameEndpoint(a.external, b.external)),
      switchMap((mapping) =>
        lookTwice$(mapping.external.port, place, dependencies).pipe(
          map((look) => mappedReach(family, mapping, look, place)),
        ),
      ),
      // A port that leads nowhere is given back.
      takeWhile(({ endpoint }) => endpoint !== undefined, true),
      tap(({ endpoint }) => {
        isMapped = endpoint !== undefined;
      }),
      catchError((error: unknown) => {
        // A gateway that was down for a whole lease may come back soon.
        if (isMapped) pauseMs = Math.min(LOST_RETRY_MS, mappingRetryMs);
        return own$.pipe(map((look) => noReach(family, look, error)));
      }),
    );
    return merge(direct$, mapped$.pipe(takeUntil(isReachable$))).pipe(
      takeWhile(({ endpoint }) => endpoint !== undefined, true),
      tap((reach) => {
        trace({ type: 'reach', ...reach, elapsedMs: Math.round(scheduler.now() - begun) });
      }),
    );
  }).pipe(repeat({ delay: () => timer(pauseMs, scheduler) }), startWith(searching));
}

/** The result of a server's dial-back; `undefined` without a server to ask. */
function look$(
  port: number,
  { internal, observed }: Place,
  { config, runtime, servers$, trace }: ReachConfig,
): Observable<Look | undefined> {
  const { bind, identity, provesKeys, timing } = config;
  const isOutside = (address: string) => scopeOf(address) === 'global';
  return servers$.pipe(
    take(1),
    switchMap((servers) =>
      lookByAny$(servers, {
        port,
        // Undefined where this node proves no key.
        peerId: provesKeys ? identity.peerId : undefined,
        family: familyOf(internal),
        localAddress: isOneAddress(bind) ? bind : undefined,
        withinMs: timing.reachabilityMs,
        ...runtime,
        tellClock: (server, reading) => {
          trace({ type: 'clock', server: server.href, ...reading });
        },
        tell: (server, failure) => {
          trace({ type: 'server', kind: 'reachability', server: server.href, failure });
        },
        // A server on the same LAN proves nothing about the outside. And no server can make this node believe in an address of its choice.
        isCredible: ({ endpoint: { address } }) => !observed.some(isOutside) || observed.includes(address),
      }),
    ),
    defaultIfEmpty(undefined),
  );
}

/** Tests twice: a lost packet must not cost a port that was hard to get. */
function lookTwice$(port: number, place: Place, dependencies: ReachConfig): Observable<Look | undefined> {
  const once$ = look$(port, place, dependencies);
  return once$.pipe(switchMap((look) => (look?.isReachable === false ? once$ : of(look))));
}

/** What to ask the gateway for. */
function request$(
  { internal }: Place,
  turn: Turn,
  { config, runtime, port, runToEnd }: ReachConfig,
): Observable<PortRequest> {
  if (config.portMapping.length === 0) {
    return throwError(() => new PortMappingError('Port mapping is switched off'));
  }
  return runtime.gateway$(familyOf(internal)).pipe(
    filter((gateway) => scopeOf(internal) !== 'loopback' || scopeOf(gateway.address) === 'loopback'),
    throwIfEmpty(() => new PortMappingError(`There is no IPv${familyOf(internal)} gateway to ask`)),
    map((gateway) => ({
      gateway,
      internal: { address: internal, port },
      timing: config.timing,
      scheduler: runtime.scheduler,
      random: runtime.random,
      turn,
      runToEnd: (work$) => {
        runToEnd(turn(work$));
      },
    })),
  );
}

function directReach(family: 4 | 6, look: Look | undefined): Reach {
  const where = look === undefined ? '' : ` at ${formatEndpoint(look.endpoint)}`;
  return {
    ...NOT_YET,
    family,
    isSettled: true,
    isReachable: true,
    endpoint: look?.endpoint,
    words: `Others can dial this node${where}`,
  };
}

function mappedReach(family: 4 | 6, mapping: Mapping, look: Look | undefined, { observed }: Place): Reach {
  const { protocol, gateway, internal, external, lifetimeMs } = mapping;
  const [observedAt] = observed;
  const seen = look?.endpoint.address ?? observedAt;
  const isBehindAnotherNat = seen === undefined ? scopeOf(external.address) !== 'global' : seen !== external.address;
  // A gateway that has no connection itself reports 0.0.0.0.
  const isNowhere = scopeOf(external.address) === 'unusable';
  const isUsable = look?.isReachable ?? !(isBehindAnotherNat || isNowhere);
  const led = `The gateway ${gateway} leads ${formatEndpoint(external)} here (${protocol})`;
  const another = `, but others see this node at ${seen ?? 'another address'}: another NAT stands before the gateway`;
  const reason =
    look?.isReachable === false ? `; a server outside could not dial it: ${look.reason ?? 'no reason'}` : '';
  const proof = look?.isReachable === true ? ', and a server outside has dialled it' : '';
  return {
    family,
    isSettled: true,
    isReachable: look?.isReachable,
    endpoint: isUsable ? (look?.endpoint ?? external) : undefined,
    mapping: isUsable ? { protocol, gateway, internal, external, lifetimeMs } : undefined,
    isBehindAnotherNat: isBehindAnotherNat && !isNowhere,
    isOpenedInVain: !isUsable,
    words: led + (isNowhere ? ', which is no usable address' : isBehindAnotherNat ? another : '') + reason + proof,
  };
}

function noReach(family: 4 | 6, look: Look | undefined, error: unknown): Reach {
  const reason =
    look === undefined
      ? 'There was no server that could dial this node back'
      : `Others cannot dial this node: ${look.reason ?? 'no reason'}`;
  return {
    ...NOT_YET,
    family,
    isSettled: true,
    isReachable: look?.isReachable,
    words: `${reason}. No port was opened: ${reasonOf(error)}`,
  };
}
