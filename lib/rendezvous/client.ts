import {
  catchError,
  combineLatest,
  concat,
  defer,
  filter,
  ignoreElements,
  map,
  NEVER,
  of,
  race,
  repeat,
  startWith,
  Subject,
  switchMap,
  take,
  takeUntil,
  takeWhile,
  timer,
  type Observable,
} from 'rxjs';
import type { Observed } from '../endpoint.js';
import { reasonOf, RendezvousError } from '../errors.js';
import { formatRendezvous, type RendezvousAddress } from '../rendezvous-name.js';
import { backoffMs } from '../operators/backoff.js';
import type { RendezvousTrace } from './steps.js';
import { errorOf, nameOf, REPLACED, ReplacedError } from './errors.js';
import { OpenSessions } from './open-sessions.js';
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

/** The refusal of a server that is being stopped: its nodes are to be at their other servers before it is gone. */
const CLOSING = 'closing';

/** Refusals after which a session is opened anew as after a loss; that with `replaced` has a pause of its own before. */
const PASSING = ['idle', CLOSING, REPLACED];

/**
 * Holds a session with each of several servers, and opens each anew whenever it is lost, for ever: after a pause, but soon when another
 * server says that it is being stopped. Emits the state of all whenever one changes; never fails.
 *
 * A server that was given two names has one session with the node, by one of them; so have several servers that share a store. The state by
 * the other names says so, and another session is opened as soon as that one is over.
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
    const shared = { closing: new Subject<RendezvousAddress>(), open: new OpenSessions() };
    return servers.length === 0
      ? of([])
      : combineLatest(servers.map((server) => state$(server, config, trace, shared)));
  });
}

/** What the sessions of a node share. */
interface Shared {
  /** The servers that say that they are being stopped. */
  readonly closing: Subject<RendezvousAddress>;
  readonly open: OpenSessions;
}

function state$(
  server: RendezvousAddress,
  config: SessionConfig,
  trace: RendezvousTrace,
  { closing, open }: Shared,
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
    const lost = (reason: string): ServerState => {
      const failure = reason.replace(nameOf(server), '');
      trace({ type: 'server', kind: 'rendezvous', server: formatRendezvous(server), failure });
      return { server, session: undefined, ...known, failure: reason };
    };
    return session$(server, config).pipe(
      map((session): ServerState => {
        connectedAt = now();
        open.add(session);
        known = { observed: session.observed, httpPort: session.httpPort };
        trace({ type: 'rendezvous', server, state: 'connected' });
        trace({ type: 'server', kind: 'rendezvous', server: formatRendezvous(server), failure: undefined });
        return { server, session, ...known, failure: undefined };
      }),
      catchError((error: unknown) => {
        const wasGood = connectedAt !== undefined && now() - connectedAt >= GOOD_SESSION_MS;
        connectedAt = undefined;
        open.delete(server);
        failures = wasGood ? 1 : failures + 1;
        refusal = error instanceof RendezvousError ? error.refusal : undefined;
        // A server that says so again and again sends its nodes nowhere.
        if (refusal === CLOSING && wasGood) closing.next(server);
        const reason = reasonOf(error);
        trace({ type: 'rendezvous', server, state: 'lost', reason });
        if (refusal !== REPLACED) return of(lost(reason));
        const by = error instanceof ReplacedError ? error.by : undefined;
        const elsewhere$ = replaced$(by === undefined ? NEVER.pipe(startWith(undefined)) : open.serverOf$(by), runtime);
        return concat(of(lost(reason)), elsewhere$.pipe(map((other) => lost(elsewhere(server, other)))));
      }),
      repeat({
        delay: () => {
          const pauseMs = backoffMs(failures, timing.reconnectMs, timing.reconnectMaxMs, runtime.random);
          if (refusal !== undefined && !PASSING.includes(refusal)) {
            return race(timer(REFUSED_PAUSE_MS, runtime.scheduler), needed$);
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

/**
 * What is waited for when another session with the same key took over. Where that is this node's own: emits the server that has it, and
 * completes once it is over. Otherwise it completes after a pause.
 *
 * @param server$ which server has it, `undefined` while none has.
 */
function replaced$(
  server$: Observable<RendezvousAddress | undefined>,
  { scheduler }: SessionConfig['runtime'],
): Observable<RendezvousAddress> {
  return concat(
    // The session that was replaced may be told first.
    server$.pipe(
      filter((server) => server !== undefined),
      take(1),
      takeUntil(timer(REFUSED_PAUSE_MS, scheduler)),
    ),
    server$.pipe(
      takeWhile((server) => server !== undefined),
      ignoreElements(),
    ),
  );
}

function elsewhere(server: RendezvousAddress, other: RendezvousAddress): string {
  const words = `is the same server as ${formatRendezvous(other)}, or shares a store with it: this node has its session there`;
  return errorOf(server, words).message;
}
