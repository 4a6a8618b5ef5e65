import { catchError, combineLatest, defer, map, of, repeat, startWith, tap, timer, type Observable } from 'rxjs';
import type { ServerAddress } from '../endpoint.js';
import { reasonOf, RendezvousError } from '../errors.js';
import { backoffMs } from '../operators/backoff.js';
import type { Trace } from '../trace.js';
import { session$, type RendezvousSession, type SessionConfig } from './session.js';

/** How it stands with one server. */
export interface ServerState {
  readonly server: ServerAddress;
  readonly session: RendezvousSession | undefined;
  /** Why there is no session; `undefined` while the first try is under way. */
  readonly failure: string | undefined;
}

/** Another program with the same key took the session over; to take it back at once would begin a quarrel without end. */
const REPLACED_PAUSE_MS = 30_000;

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
  trace: Trace,
): Observable<readonly ServerState[]> {
  return servers.length === 0 ? of([]) : combineLatest(servers.map((server) => state$(server, config, trace)));
}

function state$(server: ServerAddress, config: SessionConfig, trace: Trace): Observable<ServerState> {
  const { runtime, timing } = config;
  return defer(() => {
    let failures = 0;
    let isReplaced = false;
    return session$(server, config).pipe(
      tap(() => {
        failures = 0;
        trace({ type: 'rendezvous', server, state: 'connected' });
      }),
      map((session): ServerState => ({ server, session, failure: undefined })),
      catchError((error: unknown) => {
        failures++;
        isReplaced = error instanceof RendezvousError && error.refusal === 'replaced';
        trace({ type: 'rendezvous', server, state: 'lost', reason: reasonOf(error) });
        return of({ server, session: undefined, failure: reasonOf(error) });
      }),
      repeat({
        delay: () => {
          const pauseMs = backoffMs(failures, timing.reconnectMs, timing.reconnectMaxMs, runtime.random);
          return timer(isReplaced ? REPLACED_PAUSE_MS : pauseMs, runtime.scheduler);
        },
      }),
      startWith({ server, session: undefined, failure: undefined }),
    );
  });
}
