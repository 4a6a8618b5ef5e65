import { lookup as systemLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { defer, map, of, type Observable } from 'rxjs';
import { byFamilyInTurns } from '../endpoint.js';

/**
 * Resolves a name to its addresses, best first.
 *
 * @param family only addresses of this family; without it, both.
 */
export type Lookup = (host: string, family: 4 | 6 | undefined) => Promise<readonly string[]>;

/** The system's resolver, which sorts by RFC 6724. */
export const lookup: Lookup = async (host, family) => {
  const found = await systemLookup(host, { all: true, order: 'verbatim', ...(family !== undefined && { family }) });
  return found.map(({ address }) => address);
};

/** More addresses of one name are not tried: each try is a socket, and a stranger's locator may name the server. */
const MAX_ADDRESSES = 8;

/**
 * The addresses of a host, in the order in which they are to be tried: as the resolver sorts them, both families in turns
 * (RFC 8305 §4). Emits once, synchronously for what is an address already, and completes.
 *
 * @param family only addresses of this family. An address in the place of a name is not looked at.
 * @throws the resolver's error, such as ENOTFOUND.
 *
 * @example
 * addressesOf$('rv.example.org').subscribe(console.log); // ['2001:db8::1', '192.0.2.1']
 */
export function addressesOf$(host: string, family?: 4 | 6, resolve: Lookup = lookup): Observable<readonly string[]> {
  if (isIP(host) !== 0) return of([host]);
  return defer(() => resolve(host, family)).pipe(
    map((found) => byFamilyInTurns([...new Set(found)], (address) => address).slice(0, MAX_ADDRESSES)),
  );
}
