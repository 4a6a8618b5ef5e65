import type { NetworkInterfaceInfo } from 'node:os';
import ipaddr from 'ipaddr.js';
import { canonicalAddress, familyOf, scopeOf, withoutZone } from '../endpoint.js';
import type { Interfaces } from './interfaces.js';

/** A network that this machine is on, by one interface and one family of addresses. */
export interface MulticastLink {
  /** Names it: the interface and the address. */
  readonly key: string;
  /** The interface, as the system names it. It may have several links. */
  readonly interfaceName: string;
  /** The family of addresses: IPv4 or IPv6. */
  readonly family: 4 | 6;
  /** The address that packets leave from. */
  readonly address: string;
  /** What names the interface where an address of IPv6 does not (RFC 4007 §11); empty for IPv4. */
  readonly zone: string;
  /** The networks whose hosts are here, each with the length of its prefix: `192.168.1.7/24`. */
  readonly networks: readonly string[];
}

/**
 * The links of this machine: every interface but loopback; or the one that has the address that a node is bound to, and no other. Pure.
 *
 * @param interfaces as the system tells them.
 * @param bind the address that the node is bound to, if it is.
 *
 * @example
 * const [loopback] = linksOf(networkInterfaces(), '127.0.0.1');
 */
export function linksOf(interfaces: Interfaces | undefined, bind: string | undefined): readonly MulticastLink[] {
  const bound = bind === undefined ? undefined : canonicalAddress(withoutZone(bind));
  const only = bound === undefined || scopeOf(bound) === 'unusable' ? undefined : bound;
  const isWanted = (family: 4 | 6) => bound === undefined || bound === '::' || familyOf(bound) === family;
  return Object.entries(interfaces ?? {}).flatMap(([name, entries = []]) => {
    const all = entries.flatMap(addressIn).filter(({ family }) => isWanted(family));
    const here = all.filter(({ address, cidr, internal }) => {
      if (only === undefined) return !internal;
      // On loopback every address of its network is this machine's.
      return address === only || (internal && isIn(only, cidr));
    });
    const byIpv4 = here
      .filter(({ family }) => family === 4)
      .map(({ address, cidr }) => linkOf(name, '', only ?? address, [cidr]));
    const ofIpv6 = here.filter(({ family }) => family === 6);
    const ipv6 = ofIpv6.find(({ address }) => scopeOf(address) === 'linkLocal') ?? ofIpv6[0];
    if (ipv6 === undefined) return byIpv4;
    const zone = process.platform === 'win32' ? String(ipv6.scopeId) : name;
    const networks = all.filter(({ family }) => family === 6).map(({ cidr }) => cidr);
    return [...byIpv4, linkOf(name, zone, ipv6.address, networks)];
  });
}

function linkOf(name: string, zone: string, address: string, networks: readonly string[]): MulticastLink {
  return { key: `${name} ${address}`, interfaceName: name, family: familyOf(address), address, zone, networks };
}

function addressIn(entry: NetworkInterfaceInfo) {
  const { cidr, internal } = entry;
  const address = canonicalAddress(withoutZone(entry.address));
  if (address === undefined || cidr === null) return [];
  return [{ address, cidr, internal, family: familyOf(address), scopeId: entry.family === 'IPv6' ? entry.scopeid : 0 }];
}

/**
 * Whether a host with an address is on a link, so that no router is in between. Pure.
 *
 * @example
 * isOnLinkOf({ networks: ['192.168.1.7/24'] }, '192.168.1.8'); // true
 */
export function isOnLinkOf({ networks }: Pick<MulticastLink, 'networks'>, address: string): boolean {
  return networks.some((network) => isIn(address, network));
}

function isIn(address: string, network: string): boolean {
  const target = ipaddr.parse(address);
  const [base, bits] = ipaddr.parseCIDR(network);
  return base.kind() === target.kind() && target.match(base, bits);
}
