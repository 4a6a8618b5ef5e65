import { siteOf } from '../bounds/site.js';
import type { Endpoint } from '../endpoint.js';

/** What decides which connection is closed for a newcomer. */
export interface Occupant {
  /** The endpoint of the peer. */
  readonly peerEndpoint: Endpoint;
  /** Whether the application has sent anything on it. */
  readonly hasSent: boolean;
}

/** Whether a newcomer gets a slot, and which connection has to be closed for it. */
interface Slot<T> {
  readonly isFree: boolean;
  readonly gaveWay?: T | undefined;
}

/**
 * Finds a slot for a newcomer. Keys are free, so that slots are shared by sites: when all are taken, a newcomer from a smaller
 * site takes the slot of the newest connection of the largest site. A connection on which the application has sent something
 * keeps its slot. Pure; the time it takes is linear in the connections.
 *
 * @param taken the connections that have a slot, the oldest first.
 * @param most how many slots there are.
 * @param address where the newcomer is; `undefined` when nobody has seen it.
 *
 * @example
 * const { isFree, gaveWay } = slotFor(inbound, 10, '192.0.2.7');
 * gaveWay?.end({ code: 'refused', by: 'us', message: 'It gave way to a newcomer' });
 */
export function slotFor<T extends Occupant>(taken: readonly T[], most: number, address: string | undefined): Slot<T> {
  if (taken.length < most) return { isFree: true };
  const sites = new Map<string, { count: number; newest?: T }>();
  for (const occupant of taken) {
    const site = siteOf(occupant.peerEndpoint.address);
    const share = sites.get(site) ?? { count: 0 };
    sites.set(site, share);
    share.count++;
    if (!occupant.hasSent) share.newest = occupant;
  }
  // With the newcomer, its site must not become the largest: else two sites could evict each other for ever.
  let greediest = (sites.get(siteOf(address))?.count ?? 0) + 1;
  let gaveWay: T | undefined;
  for (const { count, newest } of sites.values()) {
    if (count <= greediest || newest === undefined) continue;
    greediest = count;
    gaveWay = newest;
  }
  return { isFree: gaveWay !== undefined, gaveWay };
}
