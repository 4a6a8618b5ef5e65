import { catchError, defer, EMPTY, first, map, of, switchMap, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../../config.js';
import { formatEndpoint, type Endpoint } from '../../endpoint.js';
import { reasonOf } from '../../errors.js';
import { createIdentity } from '../../identity.js';
import { secure$, secureContextOf } from '../../link/tls.js';
import { within } from '../../operators/within.js';
import type { Runtime } from '../../runtime.js';
import type { Findings } from '../../self/findings.js';

/** A router that turns the connection around does so within milliseconds; it may drop a SYN, which is sent again after a second (RFC 6298). */
const HAIRPIN_MS = 2_500;

/** Whether this node gets to itself by the address that it has outside. */
export interface HairpinCheck {
  /** What it has dialled: its own port, as others see it. */
  readonly endpoint: Endpoint;
  /** Whether it has reached itself: the router lets two machines behind it meet by its address outside. */
  readonly isPossible: boolean;
  /** Why not, in words. */
  readonly reason: string | undefined;
}

/** What this needs of its node. */
interface HairpinConfig {
  readonly config: ResolvedConfig;
  readonly runtime: Pick<Runtime, 'dial$' | 'scheduler'>;
  /** What the node has found out about itself; replays the latest. */
  readonly findings$: Observable<Findings>;
}

/**
 * Dials this node by its address outside, where a port leads here from a NAT, and has it prove its own key. Emits once and completes; completes alone
 * where no port leads here, or where there is no NAT.
 */
export function hairpin$({ config, runtime, findings$ }: HairpinConfig): Observable<HairpinCheck> {
  if (!config.provesKeys) return EMPTY;
  return findings$.pipe(
    first(({ location, reaches }) => location !== undefined && reaches?.every(({ isSettled }) => isSettled) === true),
    switchMap(({ location, reaches = [] }) => {
      const { unl } = location ?? {};
      const own = unl?.version === 3 ? unl.endpoints.filter(({ kind }) => kind === 'lan') : [];
      const outside = reaches.find(
        ({ endpoint }) => endpoint !== undefined && !own.some(({ address }) => address === endpoint.address),
      );
      return outside?.endpoint === undefined ? EMPTY : tried$(outside.endpoint, { config, runtime });
    }),
  );
}

function tried$(endpoint: Endpoint, { config, runtime }: Omit<HairpinConfig, 'findings$'>): Observable<HairpinCheck> {
  const { peerId } = config.identity;
  return defer(() => runtime.dial$({ host: endpoint.address, port: endpoint.port, localAddress: config.bind })).pipe(
    // By a key of its own: a node refuses to connect to itself.
    switchMap((socket) => secure$(socket, { context: secureContextOf(createIdentity()), role: 'client', peerId })),
    within(HAIRPIN_MS, `${formatEndpoint(endpoint)} did not answer`, runtime.scheduler),
    map(({ stream }) => {
      stream.destroy();
      return { endpoint, isPossible: true, reason: undefined };
    }),
    catchError((error: unknown) => of({ endpoint, isPossible: false, reason: reasonOf(error) })),
  );
}
