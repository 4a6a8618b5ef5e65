import { endianness } from 'node:os';
import { addressFromBytes } from '../endpoint.js';

// The routing tables as Linux writes them in /proc/net (net/ipv4/fib_trie.c, net/ipv6/route.c).

/** The files, by the family of addresses. */
export const ROUTES_FILE = { 4: '/proc/net/route', 6: '/proc/net/ipv6_route' } as const;

/** The next router on a route, and the interface that leads to it. */
export interface NextHop {
  readonly gateway: string;
  readonly int: string;
}

interface Route extends NextHop {
  readonly metric: number;
}

/** Flags of a route (include/uapi/linux/route.h): it is up, leads to a router, and is no ban. */
const UP = 0x1;
const GATEWAY = 0x2;
const REJECT = 0x200;

/**
 * The default route with a router in a table of routes: of several the one with the lowest metric, which the system uses. Pure.
 *
 * @param order of the bytes of an IPv4 address, which the file has as the machine does.
 *
 * @example
 * defaultRouteIn(4, await readFile('/proc/net/route', 'latin1')); // { gateway: '192.168.1.1', int: 'eth0' }
 */
export function defaultRouteIn(family: 4 | 6, text: string, order = endianness()): NextHop | undefined {
  const read = family === 4 ? (fields: readonly string[]) => ipv4Route(fields, order) : ipv6Route;
  const routes = text.split('\n').flatMap((line) => read(line.trim().split(/\s+/)) ?? []);
  const [best] = routes.toSorted((a, b) => a.metric - b.metric);
  return best && { gateway: best.gateway, int: best.int };
}

/** Iface, Destination, Gateway, Flags, RefCnt, Use, Metric, Mask, … */
function ipv4Route(fields: readonly string[], order: 'BE' | 'LE'): Route | undefined {
  const [int = '', destination = '', gateway = '', flags = '', , , metric = '', mask = ''] = fields;
  if (!isZero(destination, 8) || !isZero(mask, 8) || !isUsable(flags)) return undefined;
  const bytes = Buffer.from(gateway, 'hex');
  if (bytes.length !== 4) return undefined;
  return { int, gateway: addressFromBytes(order === 'LE' ? bytes.reverse() : bytes), metric: Number(metric) };
}

/** Destination, its prefix length, source, its prefix length, next hop, metric, reference count, use count, flags, device. */
function ipv6Route(fields: readonly string[]): Route | undefined {
  const [destination = '', length = '', , sourceLength = '', gateway = '', metric = '', , , flags = '', int = ''] =
    fields;
  if (!isZero(destination, 32) || !isZero(length, 2) || !isZero(sourceLength, 2) || !isUsable(flags)) return undefined;
  const bytes = Buffer.from(gateway, 'hex');
  if (bytes.length !== 16) return undefined;
  return { int, gateway: addressFromBytes(bytes), metric: Number.parseInt(metric, 16) };
}

function isZero(hex: string, digits: number): boolean {
  return hex === '0'.repeat(digits);
}

function isUsable(flags: string): boolean {
  const bits = Number.parseInt(flags, 16);
  return (bits & UP) !== 0 && (bits & GATEWAY) !== 0 && (bits & REJECT) === 0;
}
