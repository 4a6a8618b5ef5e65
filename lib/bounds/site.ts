import { addressToBytes, familyOf } from '../endpoint.js';

/** An IPv6 site has a /48 (RFC 6177, RFC 3177): 65,536 networks, each with as many addresses as it likes. */
const IPV6_SITE_BYTES = 6;

/** The site of unknown addresses: all of them count as one. */
const UNKNOWN = 'unknown';

/**
 * The site that an address is counted by: an IPv4 address, or the /48 of an IPv6 address. A household or an office is one site, and
 * so is an attacker who has been given a whole IPv6 prefix. Pure.
 *
 * @param address canonical text; `undefined` when nobody has seen the address.
 *
 * @example
 * siteOf('192.0.2.7'); // '192.0.2.7'
 * siteOf('2001:db8:1:2::7') === siteOf('2001:db8:1:ffff::1'); // true
 */
export function siteOf(address: string | undefined): string {
  if (address === undefined) return UNKNOWN;
  if (familyOf(address) === 4) return address;
  return Buffer.from(addressToBytes(address).subarray(0, IPV6_SITE_BYTES)).toString('hex');
}
