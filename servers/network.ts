import { isIPv4, isIPv6 } from 'node:net';

/**
 * A site as it may be shown or logged: shortened to its network, from which nobody can tell one household. Pure.
 *
 * @param site as `siteOf` writes it: an IPv4 address, or the /48 of an IPv6 address in hexadecimal.
 * @param inFull whether IPv4 addresses are shown as they are; of an IPv6 address no more than the /48 is known here.
 *
 * @example
 * networkOf('192.0.2.7'); // '192.0.2.0/24'
 */
export function networkOf(site: string, inFull = false): string {
  if (isIPv4(site)) return inFull ? site : `${site.slice(0, site.lastIndexOf('.'))}.0/24`;
  const prefix = `${site.slice(0, 4)}:${site.slice(4, 8)}:${site.slice(8)}::`;
  return site.length === 12 && isIPv6(prefix) ? `${prefix}/48` : 'unknown';
}
