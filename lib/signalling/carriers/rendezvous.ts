import {
  catchError,
  concat,
  defaultIfEmpty,
  EMPTY,
  filter,
  first,
  map,
  merge,
  of,
  share,
  switchMap,
  take,
  timeout,
  type Observable,
} from 'rxjs';
import { familyOf } from '../../endpoint.js';
import type { RendezvousSession } from '../../rendezvous/session.js';
import type { Runtime } from '../../runtime.js';
import { PARCEL_MAX_BYTES } from '../../parcel.js';
import type { Carrier, Delivery, Parcel } from '../carrier.js';

/** A server that does not answer a send within this time counts as unable to deliver. */
const ANSWER_MS = 5_000;

/** A session that was lost is opened again within this time, in milliseconds, where the server is there. */
const SESSION_MS = 2_000;

/** What the carrier over rendezvous servers needs. */
interface RendezvousCarrierConfig {
  /** The sessions that are open, whenever they change; replays the latest. */
  readonly sessions$: Observable<readonly RendezvousSession[]>;
  readonly runtime: Pick<Runtime, 'scheduler'>;
}

/** Carries signals by way of the rendezvous servers to which both nodes are connected, the first that can deliver. */
export function rendezvousCarrier({ sessions$, runtime: { scheduler } }: RendezvousCarrierConfig): Carrier {
  return {
    name: 'rendezvous',
    parcel$: sessions$.pipe(
      switchMap((sessions) => merge(...sessions.map(({ message$ }) => message$.pipe(catchError(() => EMPTY))))),
      map(({ from, message, seenAt }): Parcel => ({ from, bytes: message, seenAt, acknowledge: () => undefined })),
      share(),
    ),
    send$: (to, bytes, { family }) => {
      // A server says nothing to it, or ends the session.
      if (bytes.length > PARCEL_MAX_BYTES) return of<Delivery>('absent');
      // Waits a moment for a session, of the family where one is wanted; then takes any.
      const isWanted = (session: RendezvousSession) => family === undefined || isBy(session, family);
      const inTime$ = sessions$.pipe(
        first((sessions) => sessions.some(isWanted)),
        timeout({
          first: family === undefined ? SESSION_MS : ANSWER_MS,
          scheduler,
          with: () => sessions$.pipe(take(1)),
        }),
      );
      return inTime$.pipe(
        switchMap((sessions) =>
          concat(
            ...preferring(family, sessions).map((session) =>
              session.send$(to, bytes).pipe(
                timeout({ first: ANSWER_MS, scheduler, with: () => of(false) }),
                catchError(() => of(false)),
              ),
            ),
          ),
        ),
        filter((isDelivered) => isDelivered),
        take(1),
        map((): Delivery => 'delivered'),
        defaultIfEmpty<Delivery, Delivery>('absent'),
      );
    },
  };
}

/** The sessions whose servers see this node by a family first; sorting keeps the order of the others. */
function preferring(family: 4 | 6 | undefined, sessions: readonly RendezvousSession[]): readonly RendezvousSession[] {
  if (family === undefined) return sessions;
  return sessions.toSorted((a, b) => Number(isBy(b, family)) - Number(isBy(a, family)));
}

/** Whether a server sees this node by a family. A server that does not tell is assumed to. */
function isBy({ observed }: RendezvousSession, family: 4 | 6): boolean {
  return observed === undefined || familyOf(observed.address) === family;
}
