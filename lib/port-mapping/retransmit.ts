import { from, mergeMap, noop, timer, type SchedulerLike, type Subscription } from 'rxjs';

/**
 * When a request to a gateway is sent, in milliseconds after the first time: the pause begins at 250 ms and doubles (RFC 6886
 * §3.1). RFC 6887 §8.1.1 begins at 3 s, which suits a distant server; the gateway is one hop away.
 */
export const SEND_AT_MS: readonly number[] = [0, 250, 750, 1750];

/**
 * Sends a request now and again later, since datagrams get lost, until it is unsubscribed from.
 *
 * @example
 * subscriber.add(retransmit(() => socket.write(datagram), scheduler));
 */
export function retransmit(send: () => void, scheduler: SchedulerLike): Subscription {
  return from(SEND_AT_MS)
    .pipe(mergeMap((delay) => timer(delay, scheduler)))
    .subscribe({ next: send, error: noop });
}
