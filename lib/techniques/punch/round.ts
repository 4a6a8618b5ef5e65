import type { Socket } from 'node:net';
import { catchError, defer, EMPTY, mergeMap, Subject, take, takeUntil, tap, throwIfEmpty, type Observable } from 'rxjs';
import { familyOf } from '../../endpoint.js';
import { DialError, reasonOf } from '../../errors.js';
import { planPunch, type OwnPunchSide, type PunchPlan, type PunchPlanOptions, type PunchSide } from './plan.js';
import { isSeenFromOutside, type ReceivedSignal } from '../../signalling/signalling.js';
import { LaterError } from '../../peers/guests.js';
import type { PunchStep } from './steps.js';
import type { PunchContext } from './context.js';

/** The refusal of a peer that had told wrong ports. It is asked again at once. */
export const MISCOUNTED = 'miscounted';

/** The refusal of a peer that was seen, but by the other family of addresses: it may be asked by that one. */
export const ANOTHER_FAMILY = 'you are seen by another family of addresses';

/** Another round would be of no use: the peer does not want to, or no plan is possible. */
export class FinalError extends DialError {}

/** Options of a punch that both sides know. */
interface PunchOptions {
  readonly delayMs: number;
  readonly isPaced: boolean;
}

/**
 * Checks that the peer's claimed address is the one at which the server sees it, so that nobody can make this node send to a
 * third party. Where no carrier shows the peer, this node may come to see it: then it is asked again later. So it is where this node has seen the peer
 * on their own network alone: the next request goes by carriers that see it from outside, too.
 */
export function expectWhereSeen(
  { address }: PunchSide,
  signal: Pick<ReceivedSignal, 'seenAt' | 'seenBy'>,
  { looksForItself }: Pick<PunchContext, 'looksForItself'>,
): void {
  const { seenAt, seenBy } = signal;
  if (seenAt === address) return;
  if (seenBy !== undefined && !isSeenFromOutside(signal))
    throw new LaterError('The peer was seen on this network alone');
  if (seenAt !== undefined && familyOf(seenAt) !== familyOf(address)) throw new DialError(ANOTHER_FAMILY);
  if (seenAt === undefined && looksForItself) throw new LaterError('Nobody has shown yet where the peer is');
  throw new FinalError(`The peer says that it is at ${address}, but it is seen at ${seenAt ?? 'no address'}`);
}

function planned(own: OwnPunchSide, peer: PunchSide, options: PunchPlanOptions): PunchPlan {
  try {
    return planPunch(own, peer, options);
  } catch (cause) {
    throw new FinalError(reasonOf(cause), { cause });
  }
}

/**
 * Plans at once, and throws when no plan is possible. Then punches until one socket has become the connection's link.
 *
 * @param take$ makes the connection's link of a socket; fails or emits nothing for a socket that is not the peer's choice.
 */
export function open$<T>(
  context: PunchContext,
  told: Pick<PunchStep, 'attemptId' | 'peerId' | 'round' | 'by'>,
  own: OwnPunchSide,
  peer: PunchSide,
  options: PunchOptions,
  take$: (socket: Socket) => Observable<T>,
): Observable<T> {
  const plan = planned(own, peer, { ...context.options(), ...options });
  if (!context.hasRoomFor(plan)) throw new LaterError('Another punch that takes thousands of SYNs is under way');
  const { natType, address, ports } = own;
  const summary = { syns: plan.syns.length, delayMs: options.delayMs, deadlineMs: plan.deadlineMs };
  context.tell({ ...told, step: 'planned', own: { natType, address, ports }, peer, plan: summary });
  const punched$ = context.punch$(plan, (report) => {
    context.tell({ ...told, step: 'over', ...report });
  });
  return defer(() => {
    let failure: unknown;
    const linked = new Subject<void>();
    // `take` alone would end the punch only after its caller has heard of the link, and traced the attempt's success.
    const socket$ = punched$.pipe(takeUntil(linked));
    return socket$.pipe(
      mergeMap((socket) =>
        take$(socket).pipe(
          catchError((error: unknown) => {
            failure = error;
            return EMPTY;
          }),
        ),
      ),
      tap(() => {
        linked.next();
      }),
      take(1),
      throwIfEmpty(() => failure ?? new DialError('Connections opened, but the peer chose none of them')),
    );
  });
}
