import { exhaustMap, map, share, timer, type Observable, type SchedulerLike } from 'rxjs';
import { ownInterfaces, type Interfaces, type KnownInterfaces } from './interfaces.js';

/** What one look at this machine's network shows. */
export interface NetworkLook extends KnownInterfaces {
  /** The addresses that the default routes lead from. */
  readonly routed: readonly string[];
  /** Whether an address or a default route is another than at the look before. */
  readonly hasChanged: boolean;
}

/** How to look at this machine's network. */
interface NetworkLooksConfig {
  /** Between two looks, in milliseconds. */
  readonly everyMs: number;
  /** Emits the addresses that the default routes lead from, once. */
  readonly routed$: Observable<readonly string[]>;
  readonly scheduler: SchedulerLike;
}

/**
 * Looks at this machine's network, at once and again and again, since no system tells of a change in the same way. All who subscribe
 * share one look, so that they learn of a change at the same moment.
 */
export function networkLooks$({ everyMs, routed$, scheduler }: NetworkLooksConfig): Observable<NetworkLook> {
  let before: string | undefined;
  return timer(0, everyMs, scheduler).pipe(
    exhaustMap(() => routed$),
    map((routed) => {
      const { interfaces, failure } = ownInterfaces();
      const now = JSON.stringify([routed, addressesIn(interfaces)]);
      const hasChanged = before !== undefined && now !== before;
      before = now;
      return { interfaces, failure, routed, hasChanged };
    }),
    share(),
  );
}

function addressesIn(interfaces: Interfaces | undefined): readonly string[] {
  const all = Object.entries(interfaces ?? {}).flatMap(([name, entries = []]) =>
    entries.map(({ address, cidr }) => `${name} ${cidr ?? address}`),
  );
  return all.sort();
}
