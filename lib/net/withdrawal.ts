import { defer, EMPTY, tap, type Observable } from 'rxjs';
import type { PeerId } from '../identity.js';
import type { Signalling } from '../signalling/signalling.js';
import { overSignal } from '../techniques/asks.js';

/** Tracks what one attempt asks of its peer by signals, and withdraws it. */
interface Withdrawal {
  /** Sends signals, and records whether they were delivered. */
  readonly signalling: Signalling;
  /**
   * Tells the peer that the attempt is over, if the peer may not know: a request is on its way or kept somewhere, or the peer is
   * working on it and no connection tells it. Emits the delivery, or completes at once. Never fails.
   */
  readonly withdraw$: (isConnected: boolean) => Observable<unknown>;
}

/**
 * Makes the signalling of one attempt.
 *
 * @param keepMs for how long a question is of use at most, in milliseconds.
 */
export function withdrawalOf(signalling: Signalling, to: PeerId, attempt: string, keepMs: number): Withdrawal {
  let asked = 0;
  let delivered = 0;
  let isKept = false;
  return {
    signalling: {
      signal$: signalling.signal$,
      send$: (receiver, signal, options) =>
        defer(() => {
          asked++;
          return signalling.send$(receiver, signal, options).pipe(
            tap((delivery) => {
              if (delivery === 'absent') asked--;
              if (delivery === 'delivered') delivered++;
              if (delivery === 'kept') isKept = true;
            }),
          );
        }),
    },
    withdraw$: (isConnected) =>
      defer(() => {
        const isAnswered = isConnected && delivered === asked;
        if (asked === 0 || isAnswered) return EMPTY;
        return signalling.send$(to, overSignal(attempt), { keepMs, isEverywhere: isKept });
      }),
  };
}
