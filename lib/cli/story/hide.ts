import { canonicalAddress, familyOf, scopeOf } from '../../endpoint.js';

/** What may be an address: digits with dots, or hexadecimal with colons. */
const ADDRESS =
  /(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-f]{0,4}(?::[\da-f]{0,4}){2,7}(?::\d{1,3}(?:\.\d{1,3}){3})?)(?![\w.])/gi;

/** What may be a key: 32 bytes in base64url. */
const KEY = /(?<![\w-])[\w-]{43}(?![\w-])/g;

/** So much of a key tells two of them apart. */
const KEY_SHOWN = 8;

/**
 * Leaves out of a text what tells one household from another: of a public address the network is left, and of a key its beginning. Private
 * addresses stay, since everybody has the same. Pure.
 *
 * @example
 * hide('connect ECONNREFUSED 45.45.1.7:4000'); // 'connect ECONNREFUSED 45.45.1.x:4000'
 */
export function hide(text: string): string {
  return text.replaceAll(ADDRESS, shortened).replaceAll(KEY, (key) => `${key.slice(0, KEY_SHOWN)}…`);
}

function shortened(text: string): string {
  const address = canonicalAddress(text);
  if (address === undefined || scopeOf(address) !== 'global') return text;
  if (familyOf(address) === 4) return `${address.slice(0, address.lastIndexOf('.'))}.x`;
  return `${address.split(':').slice(0, 3).join(':')}:x`;
}
