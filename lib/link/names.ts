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

/** How many addresses of one name are tried: each try takes a socket, and the name may come from a stranger's locator. */
const MAX_ADDRESSES = 8;

/**
 * The addresses of a host, in the order to try them: as the resolver sorts them, but alternating between the families
 * (RFC 8305 §4). Emits once and completes; synchronously if `host` is an address.
 *
 * @param family return only addresses of this family; ignored if `host` is an address.
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
