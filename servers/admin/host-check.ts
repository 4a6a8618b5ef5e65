import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { canonicalAddress, withoutZone } from '../../lib/endpoint.js';
import { isOfAnotherOrigin } from '../http/origin.js';

/**
 * Whether a Host header names this very server: a loopback name, the address that the request has come to, or a name that was configured.
 * A page of another site that has had its name lead here (DNS rebinding) sends its own name. Pure.
 *
 * @param host the header.
 * @param localAddress the address that the request has come to.
 * @param names names without ports, in lower case.
 */
export function isOwnHost(
  host: string | undefined,
  localAddress: string | undefined,
  names: ReadonlySet<string>,
): boolean {
  const name = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(host ?? '');
  const hostname = (name?.[1] ?? name?.[2] ?? '').toLowerCase();
  if (hostname === 'localhost' || names.has(hostname)) return true;
  const address = isIP(hostname) === 0 ? undefined : canonicalAddress(hostname);
  if (address === undefined) return false;
  return isLoopback(address) || address === canonicalAddress(withoutZone(localAddress ?? ''));
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

/**
 * Whether a page of another site has its reader's browser ask. It can read no answer, but it can hold connections of those who look at
 * servers. Browsers tell by themselves (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/; RFC 6454 §7). A link may lead here. Pure.
 */
export function isOfAnotherSite(headers: IncomingHttpHeaders): boolean {
  const { 'sec-fetch-site': site, 'sec-fetch-mode': mode, 'sec-fetch-dest': destination } = headers;
  if (isOfAnotherOrigin(headers)) return true;
  const isLink = mode === 'navigate' && destination === 'document';
  return site !== undefined && site !== 'same-origin' && site !== 'none' && !isLink;
}
