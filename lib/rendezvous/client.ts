import {
  catchError,
  combineLatest,
  defer,
  filter,
  map,
  of,
  race,
  repeat,
  startWith,
  timer,
  type Observable,
} from 'rxjs';
import { formatServer, type Observed, type ServerAddress } from '../endpoint.js';
import { reasonOf, RendezvousError } from '../errors.js';
import { backoffMs } from '../operators/backoff.js';
import type { RendezvousTrace } from './steps.js';
import { nameOf } from './errors.js';
import { session$, type RendezvousSession, type SessionConfig } from './session.js';

/** How it stands with one server. */
export interface ServerState {
  readonly server: ServerAddress;
  readonly session: RendezvousSession | undefined;
  /** Where the server saw this node last, also while there is no session. */
  readonly observed: Observed | undefined;
  /** The port of the HTTP services on its host, also while there is no session. */
  readonly httpPort: number | undefined;
  /** Why there is no session; `undefined` while the first try is under way. */
  readonly failure: string | undefined;
}

/**
 * The pause after a refusal, because the server is full or because another program with the same key took the session over.
 * Connecting again at once would go on for ever.
 */
const REFUSED_PAUSE_MS = 30_000;

/** After a session that lasted this long, the pauses start from the shortest again. */
const GOOD_SESSION_MS = 5_000;

/** Refusals that only end a session. */
const PASSING = ['idle', 'closing'];

/**
 * Holds a session with each of several servers, and opens each anew whenever it is lost, for ever. Emits the state of all
 * whenever one changes; never fails.
 *
 * @example
 * sessions$([{ host: 'rv.example.org', port: 8000 }], config, trace).subscribe((states) => console.log(states));
 */
export function sessions$(
  servers: readonly ServerAddress[],
  config: SessionConfig,
  trace: RendezvousTrace,
): Observable<readonly ServerState[]> {
  return servers.length === 0 ? of([]) : combineLatest(servers.map((server) => state$(server, config, trace)));
}

function state$(server: ServerAddress, config: SessionConfig, trace: RendezvousTrace): Observable<ServerState> {
  const { runtime, timing, network$ } = config;
  return defer(() => {
    const now = () => runtime.scheduler.now();
    let failures = 0;
    let connectedAt: number | undefined;
    let isRefused = false;
    let known: Pick<ServerState, 'observed' | 'httpPort'> = { observed: undefined, httpPort: undefined };
    return session$(server, config).pipe(
      map((session): ServerState => {
        connectedAt = now();
        known = { observed: session.observed, httpPort: session.httpPort };
        trace({ type: 'rendezvous', server, state: 'connected' });
        trace({ type: 'server', kind: 'rendezvous', server: formatServer(server), failure: undefined });
        return { server, session, ...known, failure: undefined };
      }),
      catchError((error: unknown) => {
        if (connectedAt !== undefined && now() - connectedAt >= GOOD_SESSION_MS) failures = 0;
        connectedAt = undefined;
        failures++;
        const refusal = error instanceof RendezvousError ? error.refusal : undefined;
        isRefused = refusal !== undefined && !PASSING.includes(refusal);
        const reason = reasonOf(error);
        trace({ type: 'rendezvous', server, state: 'lost', reason });
        const failure = reason.replace(nameOf(server), '');
        trace({ type: 'server', kind: 'rendezvous', server: formatServer(server), failure });
        return of({ server, session: undefined, ...known, failure: reason });
      }),
      repeat({
        delay: () => {
          const pauseMs = backoffMs(failures, timing.reconnectMs, timing.reconnectMaxMs, runtime.random);
          if (isRefused) return timer(REFUSED_PAUSE_MS, runtime.scheduler);
          // What stood in the way may be gone.
          const changed$ = network$.pipe(filter(({ hasChanged }) => hasChanged));
          return race(timer(pauseMs, runtime.scheduler), changed$);
        },
      }),
      startWith({ server, session: undefined, ...known, failure: undefined }),
    );
  });
}
