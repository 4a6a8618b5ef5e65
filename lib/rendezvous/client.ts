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
  Subject,
  switchMap,
  take,
  timer,
  type Observable,
} from 'rxjs';
import type { Observed } from '../endpoint.js';
import { reasonOf, RendezvousError } from '../errors.js';
import { formatRendezvous, type RendezvousAddress } from '../rendezvous-name.js';
import { backoffMs } from '../operators/backoff.js';
import type { RendezvousTrace } from './steps.js';
import { nameOf } from './errors.js';
import { session$, type RendezvousSession, type SessionConfig } from './session.js';

/** How it stands with one server. */
export interface ServerState {
  readonly server: RendezvousAddress;
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

/** The refusal of a server that is being stopped: its nodes are to be at their other servers before it is gone. */
const CLOSING = 'closing';

/** The refusal after which no other server is of use: the other program with the same key would be sent away in turn. */
const REPLACED = 'replaced';

/**
 * Holds a session with each of several servers, and opens each anew whenever it is lost, for ever: after a pause, but soon when another
 * server says that it is being stopped. Emits the state of all whenever one changes; never fails.
 *
 * @example
 * sessions$([{ host: 'rv.example.org', port: 8000 }], config, trace).subscribe((states) => console.log(states));
 */
export function sessions$(
  servers: readonly RendezvousAddress[],
  config: SessionConfig,
  trace: RendezvousTrace,
): Observable<readonly ServerState[]> {
  return defer(() => {
    const closing = new Subject<RendezvousAddress>();
    return servers.length === 0
      ? of([])
      : combineLatest(servers.map((server) => state$(server, config, trace, closing)));
  });
}

/** @param closing the servers that say that they are being stopped. */
function state$(
  server: RendezvousAddress,
  config: SessionConfig,
  trace: RendezvousTrace,
  closing: Subject<RendezvousAddress>,
): Observable<ServerState> {
  const { runtime, timing, network$ } = config;
  // The nodes of a server that is being stopped do not all come at the same moment.
  const needed$ = closing.pipe(
    filter((other) => other !== server),
    take(1),
    switchMap(() => timer(runtime.random() * timing.reconnectMs, runtime.scheduler)),
  );
  return defer(() => {
    const now = () => runtime.scheduler.now();
    let failures = 0;
    let connectedAt: number | undefined;
    let refusal: string | undefined;
    let known: Pick<ServerState, 'observed' | 'httpPort'> = { observed: undefined, httpPort: undefined };
    return session$(server, config).pipe(
      map((session): ServerState => {
        connectedAt = now();
        known = { observed: session.observed, httpPort: session.httpPort };
        trace({ type: 'rendezvous', server, state: 'connected' });
        trace({ type: 'server', kind: 'rendezvous', server: formatRendezvous(server), failure: undefined });
        return { server, session, ...known, failure: undefined };
      }),
      catchError((error: unknown) => {
        const wasGood = connectedAt !== undefined && now() - connectedAt >= GOOD_SESSION_MS;
        connectedAt = undefined;
        failures = wasGood ? 1 : failures + 1;
        refusal = error instanceof RendezvousError ? error.refusal : undefined;
        // A server that says so again and again sends its nodes nowhere.
        if (refusal === CLOSING && wasGood) closing.next(server);
        const reason = reasonOf(error);
        trace({ type: 'rendezvous', server, state: 'lost', reason });
        const failure = reason.replace(nameOf(server), '');
        trace({ type: 'server', kind: 'rendezvous', server: formatRendezvous(server), failure });
        return of({ server, session: undefined, ...known, failure: reason });
      }),
      repeat({
        delay: () => {
          const pauseMs = backoffMs(failures, timing.reconnectMs, timing.reconnectMaxMs, runtime.random);
          if (refusal !== undefined && !PASSING.includes(refusal)) {
            const refused$ = timer(REFUSED_PAUSE_MS, runtime.scheduler);
            return refusal === REPLACED ? refused$ : race(refused$, needed$);
          }
          // What stood in the way may be gone.
          const changed$ = network$.pipe(filter(({ hasChanged }) => hasChanged));
          return race(timer(pauseMs, runtime.scheduler), changed$, needed$);
        },
      }),
      startWith({ server, session: undefined, ...known, failure: undefined }),
    );
  });
}
