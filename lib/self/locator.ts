import ipaddr from 'ipaddr.js';
import type { ResolvedConfig } from '../config.js';
import { canonicalAddress, familyOf, scopeOf, withoutZone, type Endpoint } from '../endpoint.js';
import { ownInterfaces, type Interfaces } from '../link/interfaces.js';
import type { Reach } from '../reachability.js';
import type { ServerState } from '../rendezvous/client.js';
import type { LocatorForm } from './locator-form.js';
import type { NatView } from './nat-view.js';
import type { NatType, NodeType, Unl } from '../unl/types.js';

/** A locator has room for this many of a node's own addresses of each family. */
const MAX_LAN_ADDRESSES = 4;

/** What a node knows of itself. */
export interface Location {
  readonly nodeType: NodeType;
  readonly natType: NatType;
  readonly unl: Unl;
}

/** What is known of a node's network. */
export interface NetworkView {
  /** This machine's addresses. */
  readonly addresses: readonly string[];
  readonly servers: readonly ServerState[];
  readonly reaches: readonly Reach[];
  readonly nats: readonly NatView[];
}

/**
 * The names of interfaces of containers, virtual machines and VPNs on Linux, macOS and Windows. Others on the LAN can rarely dial
 * addresses there.
 */
const VIRTUAL =
  /^(?:br-|bridge[0-9]|cali|cilium|cni|docker|flannel|ipsec|lxc|lxdbr|podman|ppp|tailscale|tap|tun|utun|vboxnet|veth|virbr|vmenet|vmnet|wg|zt)|virtualbox|vmware|wsl/i;

/** Where this machine's addresses are. */
export interface LocalAddressesOptions {
  /** The addresses that the default routes lead from. Default: not known. */
  readonly routed?: readonly string[] | undefined;
  /** Default: this machine's. If the system does not tell them there are none, and only `routed` counts. */
  readonly interfaces?: Interfaces | undefined;
}

/**
 * This machine's addresses to put into a locator: the one that the node is bound to, or all; loopback only if there is no other. Only
 * a few of each family fit: those of the default routes come first, those of containers, virtual machines and VPNs last. Pure if
 * `interfaces` is passed.
 */
export function localAddresses(
  bind: string | undefined,
  { routed = [], interfaces = ownInterfaces().interfaces }: LocalAddressesOptions = {},
): string[] {
  if (isOneAddress(bind)) return [withoutZone(bind)];
  const entries =
    interfaces === undefined
      ? routed.map((address) => ({ name: '', address }))
      : Object.entries(interfaces).flatMap(([name, list = []]) => list.map(({ address }) => ({ name, address })));
  const addresses = entries
    .map(({ name, address }) => ({ name, address: canonicalAddress(address) }))
    .flatMap(({ name, address }) => (address === undefined ? [] : [{ address, rank: rankOf(name, address, routed) }]))
    .filter(({ address }) => scopeOf(address) !== 'linkLocal' && scopeOf(address) !== 'unusable')
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ address }) => address);
  const reachable = addresses.filter((address) => scopeOf(address) !== 'loopback');
  return ([4, 6] as const).flatMap((family) =>
    (reachable.length > 0 ? reachable : addresses)
      .filter((address) => familyOf(address) === family)
      .slice(0, MAX_LAN_ADDRESSES),
  );
}

/** Whether a node is bound to one address, and not to all of them. */
export function isOneAddress(bind: string | undefined): bind is string {
  return bind !== undefined && scopeOf(bind) !== 'unusable';
}

/** Ranks an address: the lower, the more likely others can dial it. */
function rankOf(name: string, address: string, routed: readonly string[]): number {
  if (routed.includes(address)) return 0;
  return VIRTUAL.test(name) ? 2 : 1;
}

/** Whether one of this machine's interfaces is on the same network as an address, so that no router is between. */
export function isOnLink(address: string, interfaces = ownInterfaces().interfaces ?? {}): boolean {
  const target = ipaddr.parse(address);
  return Object.values(interfaces)
    .flatMap((entries) => entries ?? [])
    .flatMap(({ cidr, internal }) => (cidr === null || internal ? [] : [ipaddr.parseCIDR(cidr)]))
    .some(([network, bits]) => network.kind() === target.kind() && target.match(network, bits));
}

/** Where servers see a node, each address once. */
export function observedAddresses(servers: readonly ServerState[], nats: readonly NatView[]): readonly string[] {
  // Sessions may be missing or may not tell an address: the observations of the NAT have addresses, too.
  const seen = nats.flatMap((nat) => nat.addresses.filter((address) => scopeOf(address) !== 'unusable'));
  return [...new Set([...servers.flatMap((server) => server.observed?.address ?? []), ...seen])];
}

/**
 * Decides how others can reach a node. If somebody outside has dialled it, it can be dialled. Until that is known, it counts
 * as reachable where servers see it at one of its own addresses, that is without a NAT. If it cannot be dialled, but its NAT's ports can
 * be predicted, others can open TCP simultaneously with it.
 *
 * @param form how the node's locator is made.
 */
export function locate(
  config: ResolvedConfig,
  { port }: Endpoint,
  { addresses, servers, reaches, nats }: NetworkView,
  form: LocatorForm,
): Location {
  const observed = observedAddresses(servers, nats);
  const isOpen =
    observed.length > 0
      ? observed.every((address) => addresses.includes(address))
      : addresses.some((address) => scopeOf(address) === 'global' || scopeOf(address) === 'loopback');
  const proofs = reaches.flatMap(({ isReachable }) => isReachable ?? []);
  const isReachable = proofs.length > 0 ? proofs.includes(true) : isOpen;
  const guess: NatType = { type: isOpen && observed.length > 0 ? 'open' : 'unknown' };
  const natType = (nats.find(({ family }) => family === 4) ?? nats[0])?.natType ?? guess;
  const punchable = nats.filter(({ family }) => form.canPunchBy(family, config));
  const canPunch = punchable.some(({ natType: { type } }) => type !== 'unknown' && type !== 'random');
  const nodeType = config.forwarded || isReachable ? 'passive' : canPunch ? 'simultaneous' : 'active';
  const unl = form.unlOf({ nodeType, natType, port, addresses, observed, reaches }, config);
  return { nodeType, natType, unl };
}
