import { defer, merge, of, reduce, share, takeWhile, tap, timer, type Observable, type SchedulerLike } from 'rxjs';
import type { Delivery } from '../carrier.js';

/**
 * Sends to all servers at once. Emits `delivered` as soon as one of them says so, else the best result at the end. After `delivered` the
 * other sends go on for a while, even when nobody is subscribed, so that a fast server that lies cannot suppress a signal. Before
 * that, unsubscribing cancels all of them.
 *
 * @param goOnMs for how long the others go on.
 */
export function firstDelivered(
  deliveries: readonly Observable<Delivery>[],
  goOnMs: number,
  scheduler: SchedulerLike,
): Observable<Delivery> {
  return defer(() => {
    let isTold = false;
    return merge(...deliveries).pipe(
      tap((delivery) => {
        isTold ||= delivery === 'delivered';
      }),
      share({ resetOnRefCountZero: () => (isTold ? timer(goOnMs, scheduler) : of(undefined)) }),
      takeWhile((delivery) => delivery !== 'delivered', true),
      reduce<Delivery, Delivery>((best, delivery) => (delivery === 'absent' ? best : delivery), 'absent'),
    );
  });
}
