import { familyOf, networkOf, scopeOf } from '../endpoint.js';
import type { Unl, UnlEndpoint } from './types.js';

/** A locator's endpoints; PyP2P's have one port for both addresses. */
export function endpointsIn(unl: Unl): readonly UnlEndpoint[] {
  if (unl.version === 3) return unl.endpoints;
  return [
    { kind: 'lan', address: unl.lan, port: unl.port },
    { kind: 'wan', address: unl.wan, port: unl.port },
  ];
}

/**
 * Whether two nodes may be on one network. In a family of addresses that both have, one of these holds: both are seen at one IPv4
 * address or in one IPv6 /64; one of them has not been seen yet; or no public address of either was seen.
 */
export function isNear(own: Unl, peer: Unl): boolean {
  const [ours, theirs] = [endpointsIn(own), endpointsIn(peer)];
  if (ours.length === 0 || theirs.length === 0) return true;
  const oursIn = familiesIn(ours);
  const families = new Set([...familiesIn(theirs)].filter((family) => oursIn.has(family)));
  if (families.size === 0) return false;
  const seenAt = (endpoints: readonly UnlEndpoint[]) =>
    endpoints
      .filter(({ address }) => families.has(familyOf(address)))
      .filter(({ kind, address }) => kind !== 'lan' || scopeOf(address) === 'global')
      .map(({ address }) => address);
  const [here, there] = [seenAt(ours), seenAt(theirs)];
  if (here.length === 0 || there.length === 0) return true;
  if (![...here, ...there].some((address) => scopeOf(address) === 'global')) return true;
  const networks = new Set(here.map(networkOf));
  return there.some((address) => networks.has(networkOf(address)));
}

/** The families of addresses that endpoints are of. */
export function familiesIn(endpoints: readonly UnlEndpoint[]): ReadonlySet<4 | 6> {
  return new Set(endpoints.map(({ address }) => familyOf(address)));
}
