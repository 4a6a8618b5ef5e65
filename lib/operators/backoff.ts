/**
 * The pause before try `count` (1 is the first after a failure), in milliseconds: it doubles from `firstMs` up to `mostMs`.
 * Jitter shortens it to between half and the whole, so that the clients of a restarted server do not all connect at the same
 * moment.
 *
 * @param random a number from 0 up to 1.
 *
 * @example
 * source$.pipe(repeat({ delay: (count) => timer(backoffMs(count, 100, 800, Math.random)) }));
 */
export function backoffMs(count: number, firstMs: number, mostMs: number, random: () => number): number {
  return Math.min(mostMs, firstMs * 2 ** (count - 1)) * (0.5 + random() / 2);
}
