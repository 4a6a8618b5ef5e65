import parseForwarded from 'forwarded-parse';
import type { IncomingHttpHeaders } from 'node:http';
import { ownText } from '../../lib/bounds/own-text.js';
import { canonicalAddress, isPort } from '../../lib/endpoint.js';

/** One that a proxy has passed a request on for, as far as it tells. */
export interface Hop {
  /** Canonical text. */
  readonly address: string;
  /** The port that the request came from; most proxies do not tell. */
  readonly port: number | undefined;
}

/** Who is behind proxies, as their headers tell. */
interface Forwarded extends Hop {
  /** How many proxies before this server are believed. */
  readonly proxies: number;
  /** Whether the address may be that of another proxy, since somebody behind it is named, too. */
  readonly isForwarder: boolean;
}

/** The most proxies that are believed for one request: far more than any installation has. */
const MAX_PROXIES = 16;

/** The longest text of an address and a port, or of a port's name. */
const HOP_MAX_LENGTH = 128;

/** `address`, `address:port`, `[IPv6]` or `[IPv6]:port`; the port may be a name in RFC 7239 §6.3. */
const NODE =
  /^(?:\[(?<bracketed>[0-9A-Fa-f:.]{2,45})\]|(?<bare>[0-9.]{7,15}))(?::(?<port>[0-9]{1,5}|_[A-Za-z0-9._-]{1,64}))?$/;

/**
 * Finds out who is behind the proxies that passed a request on, from the `Forwarded` header (RFC 7239) or from `X-Forwarded-For`. Each
 * proxy has added, at the right, by whom it was asked. So the list is read from the right, and only as far as the addresses are those
 * of proxies that are believed: what is further to the left may be anybody's invention. Pure.
 *
 * @param peer who is at the other end of the connection.
 * @param headers those of the request.
 * @param isTrusted whether a proxy at an address is believed.
 * @returns who asks: the nearest address that is no believed proxy's, or the furthest of all. `silent`: the nearest believed proxy
 * does not say. `malformed`: the headers cannot be read, or contradict each other, so that one of them was not written by the proxy.
 *
 * @example
 * behindProxies({ address: '10.0.0.1', port: 4000 }, { 'x-forwarded-for': '192.0.2.7' }, (address) => address === '10.0.0.1');
 */
export function behindProxies(
  peer: Hop,
  headers: IncomingHttpHeaders,
  isTrusted: (address: string) => boolean,
): Forwarded | 'silent' | 'malformed' {
  const standard = headers.forwarded;
  const common = headers['x-forwarded-for'];
  if (!isTrusted(peer.address)) {
    const isForwarder = standard !== undefined || common !== undefined || viasOf(headers) > 0;
    return { ...peer, proxies: 0, isForwarder };
  }
  const forwarded = standard === undefined ? undefined : walk(peer, readForwarded(standard), isTrusted);
  const forwardedFor = common === undefined ? undefined : walk(peer, readForwardedFor(common), isTrusted);
  if (forwarded === 'malformed' || forwardedFor === 'malformed') return 'malformed';
  if (forwarded !== undefined && forwardedFor !== undefined && !isSame(forwarded, forwardedFor)) return 'malformed';
  const found = forwardedFor ?? forwarded ?? 'silent';
  return found === 'silent' ? found : { ...found, isForwarder: found.isForwarder || viasOf(headers) > found.proxies };
}

/** A proxy writes one header and passes the other on: where both are there and differ, the client has written one of them. */
function isSame(one: Forwarded | 'silent', other: Forwarded | 'silent'): boolean {
  if (one === 'silent' || other === 'silent') return one === other;
  return one.address === other.address && one.proxies === other.proxies;
}

function walk(
  peer: Hop,
  hops: readonly string[] | 'malformed',
  isTrusted: (address: string) => boolean,
): Forwarded | 'silent' | 'malformed' {
  if (hops === 'malformed') return hops;
  let at = peer;
  for (let index = hops.length - 1; index >= 0; index--) {
    const hop = readHop(hops[index] ?? '');
    const proxies = hops.length - index;
    if (hop === undefined) return 'silent';
    if (proxies > MAX_PROXIES) return 'malformed';
    at = hop;
    if (!isTrusted(hop.address)) return { ...hop, proxies, isForwarder: index > 0 };
  }
  return at === peer ? 'silent' : { ...at, proxies: hops.length, isForwarder: false };
}

function readForwarded(header: string): readonly string[] | 'malformed' {
  try {
    return parseForwarded(header).map((element) => element['for'] ?? '');
  } catch {
    return 'malformed';
  }
}

function readForwardedFor(header: string | readonly string[]): readonly string[] {
  return header
    .toString()
    .split(',')
    .map((text) => text.trim());
}

/** `undefined` for one that the proxy does not name: `unknown`, or a name of its own (RFC 7239 §6.2, §6.3). */
function readHop(text: string): Hop | undefined {
  if (text.length > HOP_MAX_LENGTH) return undefined;
  const groups = NODE.exec(text)?.groups;
  // In X-Forwarded-For an IPv6 address has no brackets.
  const address = canonicalAddress(groups?.['bracketed'] ?? groups?.['bare'] ?? text);
  const port = Number(groups?.['port']);
  // It may be kept for long, the header that it is a part of must not be.
  return address === undefined ? undefined : { address: ownText(address), port: isPort(port) ? port : undefined };
}

/** How many proxies have said that they passed a request on (RFC 9110 §7.6.3). */
function viasOf({ via }: IncomingHttpHeaders): number {
  return via === undefined ? 0 : via.split(',').length;
}
