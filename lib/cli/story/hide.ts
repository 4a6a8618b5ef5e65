import { canonicalAddress, familyOf, scopeOf } from '../../endpoint.js';

/** What may be an address of IPv4, … */
const IPV4 = /(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)/g;

/** … and of IPv6. */
const IPV6 = /(?<![\w.:])[\da-f]{0,4}(?::[\da-f]{0,4}){2,7}(?:[.\d]*)(?![\w])/gi;

/** What may be a key: 32 bytes in base64url. */
const KEY = /(?<![\w-])[\w-]{43}(?![\w-])/g;

/** So much of a key tells two of them apart. */
const KEY_SHOWN = 8;

/** Groups that are left of an address of IPv6: a household has the first three. */
const GROUPS_SHOWN = 2;

/**
 * Leaves out of a text what tells one household from another: of a public address the beginning is left, and of a key. Private addresses of
 * IPv4 stay, since everybody has the same; those of IPv6 are random, or made of the machine's own number. Pure.
 *
 * @example
 * hide('connect ECONNREFUSED 45.45.1.7:4000'); // 'connect ECONNREFUSED 45.45.1.x:4000'
 */
export function hide(text: string): string {
  return text
    .replaceAll(IPV6, shortened)
    .replaceAll(IPV4, shortened)
    .replaceAll(KEY, (key) => `${key.slice(0, KEY_SHOWN)}…`);
}

function shortened(text: string): string {
  const address = canonicalAddress(text);
  if (address === undefined) return text;
  const scope = scopeOf(address);
  if (familyOf(address) === 4) return scope === 'global' ? `${address.slice(0, address.lastIndexOf('.'))}.x` : text;
  if (scope === 'loopback' || scope === 'unusable') return text;
  return `${address
    .split(':')
    .slice(0, scope === 'global' ? GROUPS_SHOWN : 1)
    .join(':')}::x`;
}
