import { addressFromBytes, canonicalAddress, type Endpoint } from '../../lib/endpoint.js';
import { readNumber } from '../../lib/validate.js';

// What a proxy says of a connection that it passes on, before anything else
// (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt):
//
//   version 1   PROXY TCP4 source destination port port CRLF       (or TCP6; or UNKNOWN, and anything until CRLF)
//   version 2   12 bytes of signature · 0x20 (the proxy's own connection) or 0x21 (passed on) · family and protocol ·
//               length u16 · addresses · what else it would like to say

/** What the proxy says. */
export interface ProxyHeader {
  /** How many bytes it has. */
  readonly length: number;
  /** The two ends of the connection that is passed on; `undefined` when the proxy speaks for itself, or does not know them. */
  readonly ends: { readonly source: ProxiedEnd; readonly destination: ProxiedEnd } | undefined;
}

/** One end of a connection that is passed on. A proxy may give 0 as a port that it does not know. */
export type ProxiedEnd = Endpoint;

/** §2.1: the longest line of version 1, with its end. */
const V1_MAX_BYTES = 107;

const V1_PREFIX = Buffer.from('PROXY ');

const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** Signature, version and command, family and protocol, length. */
const V2_FIXED_BYTES = 16;

/** What follows that, at most. Addresses take 216 bytes; the rest is the name and the certificate of a TLS client, and ids. */
const V2_MAX_REST_BYTES = 2_048;

/** The longest header of either version, in bytes. */
export const PROXY_HEADER_MAX_BYTES = V2_FIXED_BYTES + V2_MAX_REST_BYTES;

/**
 * Reads the header of the PROXY protocol at the beginning of a connection. Never throws.
 *
 * @param bytes what has come so far.
 * @returns the header; `more` when these bytes may be the beginning of one, `none` when they are not, and `malformed` when they begin
 * as one that cannot be read.
 *
 * @example
 * readProxyHeader(Buffer.from('PROXY UNKNOWN\r\nHELLO 2\r\n')); // { length: 15, ends: undefined }
 */
export function readProxyHeader(bytes: Buffer): ProxyHeader | 'more' | 'none' | 'malformed' {
  if (beginsAs(V1_PREFIX, bytes)) return bytes.length < V1_PREFIX.length ? 'more' : readVersion1(bytes);
  if (beginsAs(V2_SIGNATURE, bytes)) return bytes.length < V2_FIXED_BYTES ? 'more' : readVersion2(bytes);
  return 'none';
}

/** Whether one is the beginning of the other. */
function beginsAs(start: Buffer, bytes: Buffer): boolean {
  const length = Math.min(start.length, bytes.length);
  return start.compare(bytes, 0, length, 0, length) === 0;
}

function readVersion1(bytes: Buffer): ProxyHeader | 'more' | 'malformed' {
  const end = bytes.subarray(0, V1_MAX_BYTES).indexOf('\r\n');
  if (end < 0) return bytes.length < V1_MAX_BYTES ? 'more' : 'malformed';
  const length = end + 2;
  const [, family, ...words] = bytes.toString('latin1', 0, end).split(' ');
  if (family === 'UNKNOWN') return { length, ends: undefined };
  if (words.length !== 4 || (family !== 'TCP4' && family !== 'TCP6')) return 'malformed';
  const [from = '', to = '', fromPort = '', toPort = ''] = words;
  const isOfFamily = [from, to].every((text) => text.includes(':') === (family === 'TCP6'));
  const source = readEnd(from, fromPort);
  const destination = readEnd(to, toPort);
  if (!isOfFamily || source === undefined || destination === undefined) return 'malformed';
  return { length, ends: { source, destination } };
}

function readEnd(text: string, portText: string): ProxiedEnd | undefined {
  const address = canonicalAddress(text);
  const port = readNumber(portText, 0, 65_535);
  return address === undefined || port === undefined ? undefined : { address, port };
}

/** What the upper half of the byte of family and protocol says, and how many bytes an address of it has (§2.2). */
const ADDRESS_BYTES: Readonly<Record<number, number>> = { 0x1: 4, 0x2: 16 };

const VERSION_2 = 0x2;
const COMMAND = { local: 0x0, proxy: 0x1 } as const;

function readVersion2(bytes: Buffer): ProxyHeader | 'more' | 'malformed' {
  const [versionAndCommand = 0, familyAndProtocol = 0] = bytes.subarray(V2_SIGNATURE.length);
  const rest = bytes.readUInt16BE(V2_FIXED_BYTES - 2);
  const command = versionAndCommand & 0xf;
  if (versionAndCommand >> 4 !== VERSION_2 || rest > V2_MAX_REST_BYTES) return 'malformed';
  if (command !== COMMAND.local && command !== COMMAND.proxy) return 'malformed';
  const length = V2_FIXED_BYTES + rest;
  if (bytes.length < length) return 'more';
  const size = ADDRESS_BYTES[familyAndProtocol >> 4];
  // A connection of the proxy's own, such as a look whether this server is alive; or one by a family that says nothing here.
  if (command === COMMAND.local || size === undefined) return { length, ends: undefined };
  if (rest < 2 * size + 4) return 'malformed';
  const addresses = bytes.subarray(V2_FIXED_BYTES, length);
  const endAt = (index: 0 | 1): ProxiedEnd => {
    const text = addressFromBytes(addresses.subarray(index * size, (index + 1) * size));
    return { address: canonicalAddress(text) ?? text, port: addresses.readUInt16BE(2 * size + 2 * index) };
  };
  return { length, ends: { source: endAt(0), destination: endAt(1) } };
}
