import { networkInterfaces } from 'node:os';
import type { ResolvedConfig } from '../config.js';
import { canonicalAddress, familyOf, scopeOf, type Endpoint } from '../endpoint.js';
import type { ServerState } from '../rendezvous/client.js';
import { UNL_MAX_LENGTH } from '../unl.js';
import type { NatType, NodeType, Unl, UnlEndpoint, UnlV3 } from '../unl/types.js';
import { encodeVersion3 } from '../unl/version-3.js';

/** A locator has room for this many of a node's own addresses of each family. */
const MAX_LAN_ADDRESSES = 4;

/** What a node knows of itself. */
export interface Location {
  readonly nodeType: NodeType;
  readonly natType: NatType;
  readonly unl: Unl;
}

/**
 * This machine's addresses that others may know: the one it is bound to, or all of them; loopback only when there is no
 * other.
 */
export function localAddresses(bind: string | undefined, interfaces = networkInterfaces()): string[] {
  if (bind !== undefined && scopeOf(bind) !== 'unusable') return [bind];
  const addresses = Object.values(interfaces)
    .flatMap((entries) => entries ?? [])
    .map(({ address }) => canonicalAddress(address))
    .filter((address) => address !== undefined)
    .filter((address) => scopeOf(address) !== 'linkLocal' && scopeOf(address) !== 'unusable');
  const reachable = addresses.filter((address) => scopeOf(address) !== 'loopback');
  return ([4, 6] as const).flatMap((family) =>
    (reachable.length > 0 ? reachable : addresses)
      .filter((address) => familyOf(address) === family)
      .slice(0, MAX_LAN_ADDRESSES),
  );
}

/**
 * What a node is, from its own addresses and from where the servers see it: with no NAT between, they see one of its own.
 */
export function locate(
  config: ResolvedConfig,
  local: Endpoint,
  addresses: readonly string[],
  servers: readonly ServerState[],
): Location {
  const { port } = local;
  const observed = [...new Set(servers.flatMap((server) => server.observed?.address ?? []))];
  const isOpen =
    observed.length > 0
      ? observed.every((address) => addresses.includes(address))
      : addresses.some((address) => scopeOf(address) === 'global' || scopeOf(address) === 'loopback');
  const nodeType = config.forwarded || isOpen ? 'passive' : 'active';
  const natType: NatType = { type: isOpen && observed.length > 0 ? 'open' : 'unknown' };
  const endpoints: UnlEndpoint[] = [
    ...addresses.map((address) => ({ kind: 'lan' as const, address, port })),
    ...observed.map((address) => ({ kind: 'wan' as const, address, port })),
  ];
  if (config.security === 'plain') {
    const firstOf = (candidates: readonly string[]) => candidates.find((address) => familyOf(address) === 4);
    const lan = firstOf(addresses) ?? '0.0.0.0';
    const wan = firstOf(observed) ?? lan;
    const forwarding = nodeType === 'passive' ? 'forwarded' : 'manual';
    return {
      nodeType,
      natType,
      unl: { version: 2, nodeId: config.identity.nodeId, nodeType, natType: 'unknown', forwarding, port, wan, lan },
    };
  }
  const unl: UnlV3 = {
    version: 3,
    peerId: config.identity.peerId,
    nodeType,
    natType,
    endpoints,
    rendezvous: config.rendezvous,
    extensions: [],
  };
  return { nodeType, natType, unl: fitting(unl) };
}

/** As many of the servers as there is room for: a few will do for others to send a message by. */
function fitting(unl: UnlV3): UnlV3 {
  const isLong = encodeVersion3(unl).toString('base64url').length > UNL_MAX_LENGTH;
  return isLong && unl.rendezvous.length > 0 ? fitting({ ...unl, rendezvous: unl.rendezvous.slice(0, -1) }) : unl;
}
