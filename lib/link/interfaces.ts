import { networkInterfaces } from 'node:os';
import { filter, map, take, timer, type Observable, type SchedulerLike } from 'rxjs';
import { canonicalAddress, scopeOf } from '../endpoint.js';

/**
 * Whether this machine has an address on an interface that is up: a socket that is bound to any other leads nowhere any more, and
 * nobody tells. Loopback is always there, with all of its addresses.
 *
 * @example
 * isOurs('192.168.1.7');
 */
export function isOurs(address: string, interfaces = networkInterfaces()): boolean {
  const scope = scopeOf(address);
  if (scope === 'loopback' || scope === 'unusable') return true;
  return Object.values(interfaces).some((entries) =>
    entries?.some((entry) => canonicalAddress(entry.address) === address),
  );
}

/**
 * Emits once when a local address is not this machine's any more, and completes.
 *
 * @param everyMs between two looks, in milliseconds, since no system tells of it in the same way.
 *
 * @example
 * addressGone$('192.168.1.7', 2_000, asyncScheduler).subscribe(() => socket.destroy());
 */
export function addressGone$(address: string, everyMs: number, scheduler: SchedulerLike): Observable<unknown> {
  return timer(everyMs, everyMs, scheduler).pipe(
    map(() => isOurs(address)),
    filter((isThere) => !isThere),
    take(1),
  );
}
