import ipaddr from 'ipaddr.js';
import type { ResolvedConfig } from '../config.js';
import { canonicalAddress, familyOf, scopeOf, type Endpoint } from '../endpoint.js';
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
export interface Surroundings {
  /** This machine's addresses. */
  readonly addresses: readonly string[];
  readonly servers: readonly ServerState[];
  readonly reaches: readonly Reach[];
  readonly nats: readonly NatView[];
}

/**
 * Interfaces of containers, virtual machines and VPNs, as Linux, macOS and Windows call them: others on the LAN cannot dial what is
 * there, as a rule.
 */
const VIRTUAL =
  /^(?:br-|bridge[0-9]|cali|cilium|cni|docker|flannel|ipsec|lxc|lxdbr|podman|ppp|tailscale|tap|tun|utun|vboxnet|veth|virbr|vmenet|vmnet|wg|zt)|virtualbox|vmware|wsl/i;

/** Where this machine's addresses are. */
export interface LocalAddressesOptions {
  /** The addresses that the default routes lead from. Default: not known. */
  readonly routed?: readonly string[] | undefined;
  /** Default: this machine's; those of nobody where the system tells of none, so that only `routed` is left. */
  readonly interfaces?: Interfaces | undefined;
}

/**
 * This machine's addresses that others may know: the one it is bound to, or all of them; loopback only when there is no
 * other. There is room for a few of each family: those of the default routes come first, those of containers, virtual machines and
 * VPNs last. Pure, with `interfaces`.
 */
export function localAddresses(
  bind: string | undefined,
  { routed = [], interfaces = ownInterfaces().interfaces }: LocalAddressesOptions = {},
): string[] {
  if (isOneAddress(bind)) return [bind];
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

/** The lower, the more likely it is that others can dial an address. */
function rankOf(name: string, address: string, routed: readonly string[]): number {
  if (routed.includes(address)) return 0;
  return VIRTUAL.test(name) ? 2 : 1;
}

/** Whether an address is on the same network as one of this machine's interfaces, as far as the system tells: no router is in between. */
export function isOnLink(address: string, interfaces = ownInterfaces().interfaces ?? {}): boolean {
  const target = ipaddr.parse(address);
  return Object.values(interfaces)
    .flatMap((entries) => entries ?? [])
    .flatMap(({ cidr, internal }) => (cidr === null || internal ? [] : [ipaddr.parseCIDR(cidr)]))
    .some(([network, bits]) => network.kind() === target.kind() && target.match(network, bits));
}

/**
 * What a node is, from its own addresses, from where the servers see it (with no NAT between, they see one of its own), and
 * from whether somebody outside has dialled it, which settles the matter; and if nobody can, whether its NAT can be
 * predicted, so that others can open TCP simultaneously with it.
 *
 * @param form how the node's locator is made.
 */
export function locate(
  config: ResolvedConfig,
  { port }: Endpoint,
  { addresses, servers, reaches, nats }: Surroundings,
  form: LocatorForm,
): Location {
  // There may be no session, or one that tells nothing: what was seen of the NAT tells, too.
  const seen = nats.flatMap((nat) => nat.addresses.filter((address) => scopeOf(address) !== 'unusable'));
  const observed = [...new Set([...servers.flatMap((server) => server.observed?.address ?? []), ...seen])];
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
