import ipaddr from 'ipaddr.js';
import { invalidOption, readNumber } from './validate.js';

/** An IP address with a TCP port. */
export interface Endpoint {
  /** Canonical text of an IPv4 or IPv6 address, without brackets. */
  readonly address: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** Where a server sees a node. */
export interface Observed {
  /** Canonical text of an IPv4 or IPv6 address, without brackets. */
  readonly address: string;
  /** 1 to 65535; `undefined` when a proxy before the server does not tell it. */
  readonly port: number | undefined;
}

/** A server as the user names it: a host name or an IP address, with a TCP port. */
export interface ServerAddress {
  /** A name, or an IP address without brackets. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** IPv4 in its one spelling, as the system writes it. */
const CANONICAL_IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/**
 * The canonical text of an IP address, an IPv4-mapped one (RFC 4291 §2.5.5.2) as plain IPv4; `undefined` when the text
 * is no address. One with a zone (RFC 4007 §11) is none: a zone means something on one machine only, and can be any text.
 *
 * @example
 * canonicalAddress('::FFFF:192.0.2.1'); // '192.0.2.1'
 */
export function canonicalAddress(text: string): string | undefined {
  if (CANONICAL_IPV4.test(text)) return text;
  if (text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return (address.isIPv4MappedAddress() ? address.toIPv4Address() : address).toString();
}

/** An IPv6 address without its zone (RFC 4007 §11), which means something on this machine only. */
export function withoutZone(address: string): string {
  const zone = address.indexOf('%');
  return zone < 0 ? address : address.slice(0, zone);
}

/** What an address is good for: `global` ones can be dialled from anywhere, `private` ones from the same network. */
export function scopeOf(address: string): 'global' | 'private' | 'loopback' | 'linkLocal' | 'unusable' {
  switch (ipaddr.process(address).range()) {
    case 'loopback':
      return 'loopback';
    case 'linkLocal':
      return 'linkLocal';
    case 'private':
    case 'uniqueLocal':
    case 'carrierGradeNat':
      return 'private';
    case 'unspecified':
    case 'broadcast':
    case 'multicast':
      return 'unusable';
    default:
      return 'global';
  }
}

/**
 * Whether an address can only be that of one host on the internet: none of the special-purpose ranges of RFC 6890 (nor of those
 * that IANA has added since), and of IPv6 only 2000::/3 (RFC 4291 §2.4). So it is no address of documentation or benchmarks, and
 * none that stands for an IPv4 address (6to4, Teredo, NAT64), which could be one of a local network.
 */
export function isPublicUnicast(address: string): boolean {
  const parsed = ipaddr.process(address);
  return parsed.range() === 'unicast' && (parsed.kind() === 'ipv4' || (addressToBytes(address)[0] ?? 0) >> 5 === 1);
}

/** What the 16 bytes of an IPv4-mapped address begin with (RFC 4291 §2.5.5.2). */
const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/** Whether the bytes of an address are those of an IPv4 address in the clothes of IPv6. */
export function isMappedIpv4(bytes: Uint8Array): boolean {
  return bytes.length === 16 && MAPPED.every((byte, index) => bytes[index] === byte);
}

/** 4 or 6. */
export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

/**
 * Interleaves addresses of both families (RFC 8305 §4), each family in its order, so that a family that does not work delays the
 * other by one try only.
 *
 * @param addressOf the address of an item.
 * @param first the family that begins. Default: that of the first item.
 *
 * @example
 * byFamilyInTurns(['::1', '::2', '192.0.2.1'], (address) => address); // ['::1', '192.0.2.1', '::2']
 */
export function byFamilyInTurns<T>(items: readonly T[], addressOf: (item: T) => string, first?: 4 | 6): T[] {
  const beginning = first ?? items.slice(0, 1).map((item) => familyOf(addressOf(item)))[0];
  const ours = items.filter((item) => familyOf(addressOf(item)) === beginning);
  const others = items.filter((item) => familyOf(addressOf(item)) !== beginning);
  return Array.from({ length: Math.max(ours.length, others.length) }).flatMap((_, index) => [
    ...ours.slice(index, index + 1),
    ...others.slice(index, index + 1),
  ]);
}

/** The 4 or 16 bytes of an address. */
export function addressToBytes(address: string): Uint8Array {
  return Uint8Array.from(ipaddr.parse(address).toByteArray());
}

/** The address of 4 or 16 bytes. */
export function addressFromBytes(bytes: Uint8Array): string {
  return ipaddr.fromByteArray([...bytes]).toString();
}

/**
 * `address:port`, IPv6 in brackets (RFC 3986 §3.2.2).
 *
 * @example
 * formatEndpoint({ address: '2001:db8::1', port: 80 }); // '[2001:db8::1]:80'
 */
export function formatEndpoint({ address, port }: Endpoint): string {
  return formatServer({ host: address, port });
}

/** `host:port`, IPv6 in brackets. */
export function formatServer({ host, port }: ServerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * The server that a URL of HTTP or of a WebSocket leads to: its host without the brackets of an IPv6 address, and where the URL names no
 * port that of its scheme (RFC 9110 §4.2, RFC 6455 §3).
 *
 * @example
 * serverOf(new URL('https://[2001:db8::1]/address')); // { host: '2001:db8::1', port: 443 }
 */
export function serverOf({ protocol, hostname, port }: URL): ServerAddress {
  const host = hostname.replace(/^\[|\]$/g, '');
  return { host, port: port === '' ? (protocol === 'https:' || protocol === 'wss:' ? 443 : 80) : Number(port) };
}

const HOST_AND_PORT = /^(?:\[(?<bracketed>[0-9A-Fa-f:.]+)\]|(?<bare>[A-Za-z0-9._-]+)):(?<port>[0-9]{1,5})$/;

/**
 * Reads `host:port` or `[IPv6]:port`, as a user writes a server.
 *
 * @param name what the option is called, for the message.
 * @throws InvalidOptionError ``Expected `rendezvous` to be HOST:PORT, got `example.org` ``
 */
export function parseServer(name: string, text: string): ServerAddress {
  const groups = HOST_AND_PORT.exec(text)?.groups;
  const port = Number(groups?.['port']);
  const bracketed = groups?.['bracketed'];
  const host = bracketed === undefined ? groups?.['bare'] : canonicalAddress(bracketed);
  if (host === undefined || !isPort(port)) {
    throw invalidOption(name, 'HOST:PORT with a port from 1 to 65535 (an IPv6 address in brackets)', text);
  }
  return { host, port };
}

/**
 * Reads `address:port` from a message of another program: `undefined` for anything that is not exactly that.
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  const groups = HOST_AND_PORT.exec(text)?.groups;
  const port = Number(groups?.['port']);
  const address = canonicalAddress(groups?.['bracketed'] ?? groups?.['bare'] ?? '');
  return address === undefined || !isPort(port) ? undefined : { address, port };
}

/** Whether two endpoints are the same. */
export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.address === b.address && a.port === b.port;
}

/** Whether a number can be the port of an endpoint. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}

/** Reads the number of a port that one can connect to: `undefined` for any other text. */
export function readPort(text: string): number | undefined {
  return readNumber(text, 1, 65_535);
}

/**
 * The network that an address belongs to: an IPv4 address stands for the network behind its NAT, an IPv6 address belongs to a /64
 * (RFC 4291 §2.5.1). Two nodes that are seen in the same one may be neighbours.
 */
export function networkOf(address: string): string {
  if (familyOf(address) === 4) return address;
  return Buffer.from(addressToBytes(address).subarray(0, 8)).toString('hex');
}
