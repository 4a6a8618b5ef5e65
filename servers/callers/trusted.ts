import ipaddr from 'ipaddr.js';
import { canonicalAddress } from '../../lib/endpoint.js';
import { invalidOption } from '../../lib/validate.js';

/** A network: its first address, and how many bits of it count. */
type Network = readonly [address: ipaddr.IPv4 | ipaddr.IPv6, bits: number];

/**
 * Tells which addresses are those of proxies that are believed. Pure.
 *
 * @param networks addresses and networks in CIDR notation (RFC 4632 §3.1), such as `10.0.0.0/8`.
 * @throws InvalidOptionError when one of them is neither.
 *
 * @example
 * const isTrusted = trustedProxies(['10.0.0.0/8', '::1']);
 * isTrusted('10.1.2.3'); // true
 * isTrusted('192.0.2.1'); // false
 */
export function trustedProxies(networks: readonly string[]): (address: string) => boolean {
  const known = networks.map(readNetwork);
  if (known.length === 0) return () => false;
  return (text) => {
    const address = ipaddr.process(text);
    return known.some(([network, bits]) => address.kind() === network.kind() && address.match(network, bits));
  };
}

function readNetwork(text: string): Network {
  const [start = '', length, ...rest] = typeof text === 'string' ? text.split('/') : [];
  const canonical = canonicalAddress(start);
  if (canonical !== undefined && rest.length === 0) {
    const address = ipaddr.process(start);
    const most = address.kind() === 'ipv4' ? 32 : 128;
    const bits = length === undefined ? most : /^[0-9]{1,3}$/.test(length) ? Number(length) : Number.NaN;
    // An IPv4 network that is written as IPv6 would count its bits from elsewhere.
    const isMapped = length !== undefined && start.includes(':') && address.kind() === 'ipv4';
    if (bits <= most && !isMapped) return [address, bits];
  }
  throw invalidOption('trustProxy', 'addresses or networks, such as 10.0.0.0/8 or ::1', text);
}
