import { switchMap } from 'rxjs';
import { byFamilyInTurns, familyOf, networkOf, sameEndpoint, scopeOf, type Endpoint } from '../endpoint.js';
import { DialError } from '../errors.js';
import { headStart } from '../operators/head-start.js';
import type { Unl, UnlEndpoint } from '../unl/types.js';
import type { Technique } from './technique.js';

/**
 * Dials the peer at the endpoints of its locator, one after the other with a short head start each (RFC 8305 §5), IPv6
 * and IPv4 in turns (RFC 8305 §4). PyP2P's passive connect.
 */
export const direct: Technique = {
  name: 'direct',
  dial: (attempt$) =>
    attempt$.pipe(
      switchMap(({ own, peer, dial$, timing, scheduler }) => {
        const candidates = candidatesOf(own, peer);
        if (candidates.length === 0) throw new DialError('The UNL has no endpoint that can be dialled from here');
        return headStart(
          candidates.map((candidate) => dial$(candidate, direct.name)),
          timing.staggerMs,
          scheduler,
        );
      }),
    ),
};

/**
 * The peer's endpoints that can be dialled from here, best first. Private ones on its LAN are only for nodes that share a
 * public address with it, or where either has none that is known: elsewhere they would lead to strangers.
 */
export function candidatesOf(own: Unl, peer: Unl): Endpoint[] {
  const [ours, theirs] = [endpointsOf(own), endpointsOf(peer)];
  const near = areNear(ours, theirs);
  const ownFamilies = familiesIn(ours);
  const hasLoopback = ours.some(({ address }) => scopeOf(address) === 'loopback');
  const usable = theirs
    .filter(({ kind, address, port }) => (near || kind !== 'lan' || scopeOf(address) === 'global') && port !== 0)
    .filter(({ address }) => ownFamilies.size === 0 || ownFamilies.has(familyOf(address)))
    .filter(
      ({ address }) => scopeOf(address) !== 'unusable' && (near || hasLoopback || scopeOf(address) !== 'loopback'),
    )
    .filter((endpoint) => !ours.some((own) => own.kind === 'lan' && sameEndpoint(own, endpoint)))
    .filter((endpoint, index, all) => all.findIndex((other) => sameEndpoint(other, endpoint)) === index);
  const lanFirst = [...usable.filter(({ kind }) => kind === 'lan'), ...usable.filter(({ kind }) => kind !== 'lan')];
  return byFamilyInTurns(lanFirst, ({ address }) => address, 6);
}

function endpointsOf(unl: Unl): readonly UnlEndpoint[] {
  if (unl.version === 3) return unl.endpoints;
  return [
    { kind: 'lan', address: unl.lan, port: unl.port },
    { kind: 'wan', address: unl.wan, port: unl.port },
  ];
}

/**
 * Whether two nodes may be on one network. Of the families of addresses that both have: they are seen at one IPv4 address or in one
 * IPv6 /64, or one of them is seen nowhere yet.
 */
export function isNear(own: Unl, peer: Unl): boolean {
  return areNear(endpointsOf(own), endpointsOf(peer));
}

function areNear(ours: readonly UnlEndpoint[], theirs: readonly UnlEndpoint[]): boolean {
  if (ours.length === 0 || theirs.length === 0) return true;
  const oursIn = familiesIn(ours);
  const families = new Set([...familiesIn(theirs)].filter((family) => oursIn.has(family)));
  const seenAt = (endpoints: readonly UnlEndpoint[]) =>
    endpoints
      .filter(({ address }) => families.has(familyOf(address)))
      .filter(({ kind, address }) => kind !== 'lan' || scopeOf(address) === 'global')
      .map(({ address }) => networkOf(address));
  const [here, there] = [seenAt(ours), seenAt(theirs)];
  if (families.size > 0 && (here.length === 0 || there.length === 0)) return true;
  return here.some((host) => there.includes(host));
}

function familiesIn(endpoints: readonly UnlEndpoint[]): Set<4 | 6> {
  return new Set(endpoints.map(({ address }) => familyOf(address)));
}
