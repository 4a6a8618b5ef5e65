import {
  catchError,
  concat,
  defaultIfEmpty,
  defer,
  EMPTY,
  filter,
  first,
  merge,
  mergeMap,
  of,
  share,
  switchMap,
  take,
  timeout,
  type Observable,
} from 'rxjs';
import { familyOf } from '../endpoint.js';
import type { Identity } from '../identity.js';
import type { RendezvousSession } from '../rendezvous/session.js';
import type { Runtime } from '../runtime.js';
import { Seen } from '../seen.js';
import type { Trace } from '../trace.js';
import { openEnvelope, sealEnvelope, type Envelope } from './envelope.js';
import type { ReceivedSignal, Signalling } from './signalling.js';

/** Two clocks may differ, and a message may be on its way, by this much; older ones may be replays. */
const WINDOW_MS = 120_000;

/** Signals remembered within the window: far more than nodes exchange, far less than memory. */
const MAX_REMEMBERED = 10_000;

/** A server that does not say within this time whether it delivered counts as one that could not. */
const ANSWER_MS = 5_000;

/** What it works with. */
export interface RendezvousSignallingConfig {
  readonly identity: Identity;
  /** The sessions that are open, whenever they change; replays the latest. */
  readonly sessions$: Observable<readonly RendezvousSession[]>;
  readonly runtime: Runtime;
  readonly trace: Trace;
}

/**
 * Signals by way of the rendezvous servers to which both nodes are connected, the first that can deliver. Every signal is
 * signed: a server can neither forge one, nor pass one on twice, nor to somebody else.
 */
export function rendezvousSignalling({ identity, sessions$, runtime, trace }: RendezvousSignallingConfig): Signalling {
  const now = runtime.timeOfDay;
  const seen = new Seen({ forMs: 2 * WINDOW_MS, maxEntries: MAX_REMEMBERED, now });
  const received$ = sessions$.pipe(
    switchMap((sessions) => merge(...sessions.map(({ message$ }) => message$.pipe(catchError(() => EMPTY))))),
    mergeMap(({ from: peerId, message, seenAt }): Observable<ReceivedSignal> => {
      const envelope = openEnvelope(message);
      const reason = reasonToDrop(envelope);
      if (envelope !== undefined && reason === undefined) return of({ ...envelope, seenAt });
      trace({ type: 'dropped', what: 'message', peerId, reason: reason ?? 'not signed' });
      return EMPTY;
    }),
  );

  function reasonToDrop(envelope: Envelope | undefined): string | undefined {
    if (envelope === undefined) return 'malformed, or not signed by its sender';
    if (envelope.to !== identity.peerId) return 'for somebody else';
    if (Math.abs(envelope.at - now()) >= WINDOW_MS) return 'too old, or from the future';
    return seen.add(`${envelope.from} ${envelope.id}`) ? undefined : 'a copy';
  }

  return {
    signal$: received$.pipe(share()),
    send$: (to, signal, family) =>
      defer(() => {
        const message = sealEnvelope(identity, { ...signal, to, id: runtime.newId(), at: now() });
        // A session by the family that is wanted may be about to begin; without one any will do.
        const inTime$ = sessions$.pipe(
          first((sessions) => family === undefined || sessions.some((session) => isBy(session, family))),
          timeout({ first: ANSWER_MS, scheduler: runtime.scheduler, with: () => sessions$.pipe(take(1)) }),
        );
        return inTime$.pipe(
          switchMap((sessions) =>
            concat(
              ...preferring(family, sessions).map((session) =>
                session.send$(to, message).pipe(
                  timeout({ first: ANSWER_MS, scheduler: runtime.scheduler, with: () => of(false) }),
                  catchError(() => of(false)),
                ),
              ),
            ),
          ),
          filter((delivered) => delivered),
          take(1),
          defaultIfEmpty(false),
        );
      }),
  };
}

/** The sessions whose servers see this node by a family first; sorting keeps the order of the others. */
function preferring(family: 4 | 6 | undefined, sessions: readonly RendezvousSession[]): readonly RendezvousSession[] {
  if (family === undefined) return sessions;
  return sessions.toSorted((a, b) => Number(isBy(b, family)) - Number(isBy(a, family)));
}

/** Whether a server sees this node by a family; of one that does not tell it is hoped. */
function isBy({ observed }: RendezvousSession, family: 4 | 6): boolean {
  return observed === undefined || familyOf(observed.address) === family;
}
