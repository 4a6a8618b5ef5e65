import {
  catchError,
  combineLatest,
  concatWith,
  defaultIfEmpty,
  defer,
  distinctUntilChanged,
  filter,
  from,
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
import { localAddressTo$, type Gateway } from '../gateway.js';
import type { Mapping } from '../gateway/mapping.js';
import { takeTurns, type Turn } from '../operators/take-turns.js';
import { lookByAny$, type Look, type Reach } from '../reachability.js';
import type { Runtime } from '../runtime.js';
import { openPort } from '../techniques/open-port.js';
import type { PortRequest } from '../techniques/technique.js';
import type { Trace } from '../trace.js';

/** What is needed to become reachable. */
export interface ReachConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  readonly trace: Trace;
  /** Where the node listens. */
  readonly port: number;
  /** This machine's addresses. */
  readonly addresses: readonly string[];
  /** Where rendezvous servers see this node. */
  readonly observed: readonly string[];
  /** The reachability servers that are known by now. */
  readonly servers: () => readonly URL[];
  /** Sees to the end of what must be done although nobody waits for it any more. */
  readonly outlive: (work$: Observable<unknown>) => void;
}

/**
 * Finds out whether others can dial this node, by each family of addresses that it has; where not, has the gateway open a
 * port. Emits how it stands whenever that changes, holds what was opened for as long as it is subscribed to, and tries again
 * from time to time. Never fails.
 *
 * A node that can be dialled already, be it in the open or behind a port that was forwarded by hand, leaves the router
 * alone: the gateway is searched for meanwhile, but not asked for anything.
 */
export function reach$(given: ReachConfig): Observable<readonly Reach[]> {
  const families = familiesOf(given);
  if (families.length === 0) return of([]);
  return combineLatest(
    families.map((family) =>
      reachByFamily$(family, given).pipe(startWith<Reach>({ ...NOT_YET, family, words: 'It is being looked into' })),
    ),
  );
}

const NOT_YET = {
  isSettled: false,
  isReachable: undefined,
  endpoint: undefined,
  mapping: undefined,
  isBehindAnotherNat: false,
} as const;

/** Those that somebody outside could dial. On the loopback there is no outside, unless there is somebody to ask. */
function familiesOf({ addresses, config }: ReachConfig): readonly (4 | 6)[] {
  if (config.forwarded || config.reachability === false) return [];
  const isLoopbackOutside = config.reachability.length > 0;
  const candidates = addresses.filter((address) => {
    const scope = scopeOf(address);
    return scope === 'loopback' ? isLoopbackOutside : familyOf(address) === 4 || scope === 'global';
  });
  return ([4, 6] as const).filter((family) => candidates.some((address) => familyOf(address) === family));
}

function reachByFamily$(family: 4 | 6, given: ReachConfig): Observable<Reach> {
  const { config, runtime, port, trace } = given;
  const { scheduler } = runtime;
  return defer(() => {
    const begun = scheduler.now();
    const turn = takeTurns();
    // Of a node without a NAT it is likely that it can be dialled, and not worth much to know fast that it cannot.
    const isOpen = given.observed.some((address) => familyOf(address) === family && given.addresses.includes(address));
    const own$ = turn((isOpen ? lookTwice$ : look$)(port, family, given)).pipe(
      shareReplay({ bufferSize: 1, refCount: true }),
    );
    const isReachable$ = own$.pipe(filter((look) => look?.isReachable === true));
    const direct$ = isReachable$.pipe(map((look) => directReach(family, look)));
    const mapped$ = request$(family, turn, given).pipe(
      openPort(config.portMapping, (protocol, outcome) => {
        trace({ type: 'port-mapping', protocol, ...outcome });
      }),
      // That it is renewed changes nothing.
      distinctUntilChanged((a, b) => a.protocol === b.protocol && sameEndpoint(a.external, b.external)),
      switchMap((mapping) =>
        lookTwice$(mapping.external.port, family, given).pipe(map((look) => mappedReach(family, mapping, look, given))),
      ),
      // A port that leads nowhere is given back.
      takeWhile(({ endpoint }) => endpoint !== undefined, true),
      catchError((error: unknown) => own$.pipe(map((look) => noReach(family, look, error)))),
    );
    return merge(direct$.pipe(concatWith(NEVER)), mapped$.pipe(takeUntil(isReachable$))).pipe(
      takeWhile(({ endpoint }) => endpoint !== undefined, true),
      tap((reach) => {
        trace({ type: 'reach', ...reach, elapsedMs: scheduler.now() - begun });
      }),
    );
  }).pipe(repeat({ delay: () => timer(config.timing.mappingRetryMs, scheduler) }));
}

/** What a server sees that dials back, `undefined` when there is none to ask. */
function look$(port: number, family: 4 | 6, { config, runtime, servers }: ReachConfig): Observable<Look | undefined> {
  const { bind, identity, security, timing } = config;
  return defer(() =>
    lookByAny$(servers(), {
      port,
      // Without TLS nobody proves anything.
      peerId: security === 'tls' ? identity.peerId : undefined,
      family,
      localAddress: isOne(bind) ? bind : undefined,
      withinMs: timing.reachabilityMs,
      scheduler: runtime.scheduler,
    }),
  ).pipe(defaultIfEmpty(undefined));
}

/** A packet may get lost, and with it a port that was hard to get. */
function lookTwice$(port: number, family: 4 | 6, given: ReachConfig): Observable<Look | undefined> {
  const once$ = look$(port, family, given);
  return once$.pipe(switchMap((look) => (look?.isReachable === false ? once$ : of(look))));
}

/** What the gateway is to be asked. */
function request$(
  family: 4 | 6,
  turn: Turn,
  { config, runtime, port, addresses, outlive }: ReachConfig,
): Observable<PortRequest> {
  if (config.portMapping.length === 0) {
    return throwError(() => new PortMappingError('Port mapping is switched off'));
  }
  return runtime.gateway$(family).pipe(
    switchMap((gateway) =>
      internalAddress$(gateway, family, config.bind, addresses).pipe(map((address) => ({ gateway, address }))),
    ),
    filter(({ gateway, address }) => scopeOf(address) !== 'loopback' || scopeOf(gateway.address) === 'loopback'),
    throwIfEmpty(() => new PortMappingError(`There is no IPv${family} gateway to ask`)),
    map(({ gateway, address }) => ({
      gateway,
      internal: { address, port },
      timing: config.timing,
      scheduler: runtime.scheduler,
      random: runtime.random,
      turn,
      outlive,
    })),
  );
}

/** The address that connections are to be led to: of IPv6 one that is good for the whole world. */
function internalAddress$(
  { host }: Gateway,
  family: 4 | 6,
  bind: string | undefined,
  addresses: readonly string[],
): Observable<string> {
  if (isOne(bind)) return of(bind);
  if (family === 4) return localAddressTo$(host);
  return from(addresses.filter((address) => familyOf(address) === 6 && scopeOf(address) === 'global')).pipe(take(1));
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

function mappedReach(family: 4 | 6, mapping: Mapping, look: Look | undefined, { observed }: ReachConfig): Reach {
  const { protocol, gateway, internal, external, lifetimeMs } = mapping;
  const seen = look?.endpoint.address ?? observed.find((address) => familyOf(address) === family);
  const isBehindAnotherNat = seen === undefined ? scopeOf(external.address) === 'private' : seen !== external.address;
  // A gateway that is not connected itself says that it is at 0.0.0.0.
  const isNowhere = scopeOf(external.address) === 'unusable';
  const isUsable = look?.isReachable ?? !(isBehindAnotherNat || isNowhere);
  const led = `The gateway ${gateway} leads ${formatEndpoint(external)} here (${protocol})`;
  const another = `, but others see this node at ${seen ?? 'another address'}: another NAT stands before the gateway`;
  const reason = look?.isReachable === false ? `; from outside nobody gets through: ${look.reason ?? 'no reason'}` : '';
  const proof = look?.isReachable === true ? ', and a server outside has dialled it' : '';
  return {
    family,
    isSettled: true,
    isReachable: look?.isReachable,
    endpoint: isUsable ? (look?.endpoint ?? external) : undefined,
    mapping: isUsable ? { protocol, gateway, internal, external, lifetimeMs } : undefined,
    isBehindAnotherNat: isBehindAnotherNat && !isNowhere,
    words: led + (isNowhere ? ', which is nowhere' : isBehindAnotherNat ? another : '') + reason + proof,
  };
}

function noReach(family: 4 | 6, look: Look | undefined, error: unknown): Reach {
  const reason =
    look === undefined
      ? 'Nobody could be asked to dial this node'
      : `Others cannot dial this node: ${look.reason ?? 'no reason'}`;
  return {
    ...NOT_YET,
    family,
    isSettled: true,
    isReachable: look?.isReachable,
    words: `${reason}. No port was opened: ${reasonOf(error)}`,
  };
}

/** Whether it names one address, and not all of them. */
function isOne(bind: string | undefined): bind is string {
  return bind !== undefined && scopeOf(bind) !== 'unusable';
}
