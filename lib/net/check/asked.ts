import {
  combineLatest,
  concat,
  defaultIfEmpty,
  defer,
  EMPTY,
  filter,
  map,
  merge,
  of,
  switchMap,
  take,
  type Observable,
} from 'rxjs';
import type { ResolvedConfig } from '../../config.js';
import { familyOf, scopeOf } from '../../endpoint.js';
import { lookAtLan$ } from '../../lan/look.js';
import { ownInterfaces } from '../../link/interfaces.js';
import { ignoreErrors } from '../../operators/ignore-errors.js';
import { askRouter$, type RouterCheck } from '../../port-mapping/ask-router.js';
import type { Runtime } from '../../runtime.js';
import type { Findings } from '../../self/findings.js';
import { isOneAddress } from '../../self/locator.js';
import { hairpin$ } from './hairpin.js';
import type { Asked } from './interface.js';
import { versions$ } from './versions.js';

/** What this needs of its node. */
interface AskedConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  /** What the node has found out about itself; replays the latest. */
  readonly findings$: Observable<Findings>;
}

/**
 * Asks what a node need not know to connect, all at once: routers, by each protocol; the local network; servers, for their versions; and, when a port
 * leads here, itself by its address outside. Nothing stays behind anywhere. Emits what comes of it, part by part, and completes.
 */
export function asked$(node: AskedConfig): Observable<Partial<Asked>> {
  const routers$ = combineLatest(([4, 6] as const).map((family) => router$(family, node))).pipe(
    map((routers) => ({ routers: routers.filter((router) => router !== undefined) })),
  );
  return merge(
    routers$,
    lan$(node),
    versions$(node).pipe(map((versions) => ({ versions }))),
    hairpin$(node).pipe(map((hairpin) => ({ hairpin }))),
  );
}

/** What the router of a family says; `undefined` where there is none, or where this node never asks one. */
function router$(family: 4 | 6, { config, runtime, findings$ }: AskedConfig): Observable<RouterCheck | undefined> {
  const { bind, forwarded, portMapping, reachability } = config;
  if (forwarded || reachability === false || portMapping.length === 0) return of(undefined);
  const internal$ = isOneAddress(bind) ? of(bind).pipe(filter(isOf(family))) : runtime.routedAddress$(family);
  const asked$ = combineLatest([
    internal$,
    runtime.gateway$(family),
    findings$.pipe(
      map(({ local }) => local?.port),
      filter((port) => port !== undefined),
      take(1),
    ),
  ]).pipe(
    // As a node asks for a port: from loopback there is no way to another machine.
    filter(([address, gateway]) => scopeOf(address) !== 'loopback' || scopeOf(gateway.address) === 'loopback'),
    switchMap(([address, gateway, port]) =>
      askRouter$({ gateway, internal: { address, port }, scheduler: runtime.scheduler }, portMapping),
    ),
  );
  return concat(of(undefined), asked$.pipe(ignoreErrors()));
}

const isOf = (family: 4 | 6) => (address: string) => familyOf(address) === family;

/** On loopback there are no others. */
function lan$({ config: { bind, lan }, runtime }: AskedConfig): Observable<Partial<Asked>> {
  if (isOneAddress(bind) && scopeOf(bind) === 'loopback' && !lan) return EMPTY;
  return defer(() => lookAtLan$({ bind, interfaces: ownInterfaces().interfaces, runtime })).pipe(
    map((found) => ({ lan: found })),
    ignoreErrors(),
    defaultIfEmpty({}),
  );
}
