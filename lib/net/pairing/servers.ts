import { defer, filter, map, merge, take, timer, type Observable } from 'rxjs';
import type { ResolvedConfig } from '../../config.js';
import { PairingError } from '../../errors.js';
import { formatRendezvous } from '../../rendezvous-name.js';
import type { ServerState } from '../../rendezvous/client.js';
import type { RendezvousSession } from '../../rendezvous/session.js';
import type { Runtime } from '../../runtime.js';
import type { Findings } from '../../self/findings.js';
import type { Unl } from '../../unl/types.js';
import type { LocalPlace } from './local.js';

/** What meeting by a code needs of its node. */
export interface PairingHost {
  readonly config: ResolvedConfig;
  readonly runtime: Runtime;
  /** What the node has found out about itself; replays the latest. */
  readonly findings$: Observable<Findings>;
  /** The node's locator: as soon as it is known, and whenever it changes. */
  readonly own$: Observable<Unl>;
  /** The node's locator as far as it is known now. */
  readonly own: () => Unl;
  /** The local network, where the node wants to be found there. */
  readonly here: LocalPlace | undefined;
}

/** A rendezvous server as far as codes are concerned: there is a session, or why there is none. */
export interface Settled {
  readonly name: string;
  readonly session: RendezvousSession | undefined;
  readonly failure: string | undefined;
}

/** A server that neither answers nor fails is not waited for any longer: opening a connection and a session takes less, or fails. */
const SETTLE_MS = 10_000;

/**
 * The rendezvous servers of a node, each once, as soon as there is a session with it or it is known why there is none. Completes when all have
 * settled, or have had their time.
 *
 * @throws PairingError when codes are of no use to this node.
 */
export function settled$({ config, runtime, findings$, here }: PairingHost): Observable<Settled> {
  return defer(() => {
    expectPlace(config, here);
    const late$ = timer(SETTLE_MS, runtime.scheduler).pipe(
      map((): Pick<ServerState, 'session' | 'failure'> => ({ session: undefined, failure: undefined })),
    );
    return merge(
      ...config.rendezvous.map((server) => {
        const name = formatRendezvous(server);
        const state$ = findings$.pipe(
          map(({ servers }) => servers.find((state) => formatRendezvous(state.server) === name)),
          filter((state) => state !== undefined),
          filter(({ session, failure }) => session !== undefined || failure !== undefined),
        );
        return merge(state$, late$).pipe(
          take(1),
          map(({ session, failure }) => ({ name, session, failure: failure ?? `${name} does not answer` })),
        );
      }),
    );
  });
}

function expectPlace({ provesKeys, rendezvous }: ResolvedConfig, here: LocalPlace | undefined): void {
  if (!provesKeys)
    throw new PairingError(
      'CODE_UNAVAILABLE',
      "Codes are for nodes with keys: make the net without `security: 'plain'`",
    );
  if (rendezvous.length === 0 && here === undefined)
    throw new PairingError(
      'CODE_UNAVAILABLE',
      'Expected a rendezvous server (`rendezvous`), or the local network (`lan: true`): two nodes meet by a code there',
    );
}
