import { defer, map, of } from 'rxjs';
import type { Lan } from '../../lan/lan.js';
import { PARCEL_MAX_BYTES } from '../../parcel.js';
import type { Carrier, Delivery, Parcel } from '../carrier.js';

/**
 * Signals from node to node on the local network, with no server at all. A peer is found by multicast DNS, and a signal goes to it by a TCP
 * connection of its own; it counts as delivered when the peer has signed for it. Nothing is kept for a peer that is away: whether it
 * is there is known after two seconds. It shows at which address of that network a sender is, and not where others see it.
 *
 * @example
 * const carrier = lanCarrier(lan);
 * carrier.parcel$.subscribe(({ bytes, acknowledge }) => { use(bytes); acknowledge(); });
 */
export function lanCarrier(lan: Pick<Lan, 'parcel$' | 'send$'>): Carrier {
  return {
    name: 'lan',
    isBlind: true,
    parcel$: lan.parcel$.pipe(map((parcel): Parcel => ({ from: undefined, ...parcel }))),
    send$: (to, bytes) =>
      defer(() => {
        if (bytes.length > PARCEL_MAX_BYTES) return of<Delivery>('absent');
        return lan.send$(to, bytes).pipe(map((isDelivered): Delivery => (isDelivered ? 'delivered' : 'absent')));
      }),
  };
}
