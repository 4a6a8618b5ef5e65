import { concat, distinctUntilChanged, filter, map, NEVER, of, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../config.js';
import { Lan, type LanConfig, type Neighbour } from '../lan/lan.js';
import { formatUnl } from '../unl.js';
import type { Findings } from '../self/findings.js';
import type { Unl, UnlV3 } from '../unl/types.js';

/** What the local network needs of its net. */
interface LocalNetworkConfig extends Omit<LanConfig, 'identity' | 'bind' | 'own$'> {
  readonly config: ResolvedConfig;
  /** What the node has found out about itself; replays the latest. */
  readonly findings$: Observable<Findings>;
  /** Its own locator as it is now. */
  readonly own: () => Unl;
}

/** The local network of a net that wants to be found there; `undefined` for any other. */
export function localNetworkOf({ config, findings$, own, ...rest }: LocalNetworkConfig): Lan | undefined {
  const { bind, identity, lan, provesKeys } = config;
  if (!lan || !provesKeys) return undefined;
  const own$ = findings$.pipe(
    filter(({ local }) => local !== undefined),
    map(own),
    filter((unl): unl is UnlV3 => unl.version === 3),
    distinctUntilChanged((one, other) => formatUnl(one) === formatUnl(other)),
  );
  return new Lan({ ...rest, bind, identity, own$ });
}

/** The nodes of the local network: none where a net does not look for them. */
export function neighboursOf$(lan: Lan | undefined): Observable<readonly Neighbour[]> {
  return lan?.neighbours$ ?? concat(of([]), NEVER);
}
