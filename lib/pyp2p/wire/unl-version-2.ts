import { createHash } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import { formatEndpoint, type Endpoint } from '../../endpoint.js';
import { InvalidUnlError } from '../../errors.js';
import { show } from '../../validate.js';

/** A locator of version 2, which is PyP2P's. */
export interface UnlV2 {
  /** Tells the two kinds of locators apart. */
  readonly version: 2;
  /** The node's id in PyP2P, which nothing proves: 40 hex digits. */
  readonly nodeId: string;
  /** What others can do to reach it. */
  readonly nodeType: 'passive' | 'simultaneous' | 'active';
  /** How its NAT maps ports; of `delta` the locator does not say which. */
  readonly natType: 'random' | 'preserving' | 'reuse' | 'delta' | 'unknown';
  /** How the port was forwarded to the node. */
  readonly forwarding: 'forwarded' | 'manual' | 'UPnP' | 'NATPMP';
  /** The TCP port that it listens on. */
  readonly port: number;
  /** Its public address, IPv4. */
  readonly wan: string;
  /** Its address on its own network, IPv4. */
  readonly lan: string;
}

// version u8 · node_id 20 bytes · node_type u8 · nat_type u8 · forwarding_type u8 · listen_port u16 · wan_ip u32 ·
// lan_ip u32 · checksum 4 bytes, packed, little-endian (PyP2P, unl.py)
const LENGTH = 38;
const CHECKSUM_LENGTH = 4;

const NODE_TYPES = { p: 'passive', a: 'active', s: 'simultaneous' } as const;
// PyP2P keeps the last letter of a NAT type's name.
const NAT_TYPES = { m: 'random', g: 'preserving', e: 'reuse', a: 'delta', n: 'unknown' } as const;
const FORWARDING_TYPES = { f: 'forwarded', m: 'manual', U: 'UPnP', N: 'NATPMP' } as const;

/**
 * Reads the bytes of PyP2P's locator.
 *
 * @throws InvalidUnlError
 */
export function decodeVersion2(bytes: Buffer): UnlV2 {
  if (bytes.length !== LENGTH) {
    throw new InvalidUnlError(`Expected a version 2 UNL of ${LENGTH} bytes, got ${bytes.length}`);
  }
  const checksumAt = LENGTH - CHECKSUM_LENGTH;
  if (!checksum(bytes.subarray(0, checksumAt)).equals(bytes.subarray(checksumAt))) {
    throw new InvalidUnlError('The checksum of the UNL is wrong: it was damaged on its way');
  }
  return {
    version: 2,
    nodeId: bytes.toString('hex', 1, 21),
    nodeType: valueOf(NODE_TYPES, 'node type', bytes.toString('latin1', 21, 22)),
    natType: valueOf(NAT_TYPES, 'NAT type', bytes.toString('latin1', 22, 23)),
    forwarding: valueOf(FORWARDING_TYPES, 'forwarding type', bytes.toString('latin1', 23, 24)),
    port: bytes.readUInt16LE(24),
    wan: addressFromLittleEndian(bytes.subarray(26, 30)),
    lan: addressFromLittleEndian(bytes.subarray(30, 34)),
  };
}

/**
 * Writes the bytes of PyP2P's locator.
 *
 * @throws InvalidUnlError
 */
export function encodeVersion2(unl: UnlV2): Buffer {
  if (!/^[0-9a-f]{40}$/.test(unl.nodeId)) {
    throw new InvalidUnlError(`Expected \`nodeId\` to be 40 hex digits, got ${show(unl.nodeId)}`);
  }
  if (!Number.isInteger(unl.port) || unl.port < 0 || unl.port > 65535) {
    throw new InvalidUnlError(`Expected \`port\` to be an integer from 0 to 65535, got ${show(unl.port)}`);
  }
  const port = Buffer.alloc(2);
  port.writeUInt16LE(unl.port);
  const record = Buffer.concat([
    Buffer.from([2]),
    Buffer.from(unl.nodeId, 'hex'),
    Buffer.from(
      letterOf(NODE_TYPES, 'nodeType', unl.nodeType) +
        letterOf(NAT_TYPES, 'natType', unl.natType) +
        letterOf(FORWARDING_TYPES, 'forwarding', unl.forwarding),
      'latin1',
    ),
    port,
    addressToLittleEndian('wan', unl.wan),
    addressToLittleEndian('lan', unl.lan),
  ]);
  return Buffer.concat([record, checksum(record)]);
}

/** The id of a peer on a plain link: its endpoint, since it proves no key. */
export function plainName(endpoint: Endpoint): string {
  return `plain:${formatEndpoint(endpoint)}`;
}

function checksum(record: Uint8Array): Buffer {
  const once = createHash('sha256').update(record).digest();
  return createHash('sha256').update(once).digest().subarray(0, CHECKSUM_LENGTH);
}

function addressFromLittleEndian(bytes: Uint8Array): string {
  return ipaddr.fromByteArray([...bytes].reverse()).toString();
}

function addressToLittleEndian(name: string, address: string): Buffer {
  if (!ipaddr.IPv4.isValidFourPartDecimal(address)) {
    throw new InvalidUnlError(`Expected \`${name}\` to be an IPv4 address, got ${show(address)}`);
  }
  return Buffer.from(ipaddr.IPv4.parse(address).toByteArray().reverse());
}

function valueOf<T>(table: Readonly<Record<string, T>>, name: string, letter: string): T {
  const value = Object.hasOwn(table, letter) ? table[letter] : undefined;
  if (value === undefined) throw new InvalidUnlError(`The UNL names a ${name} that does not exist: ${show(letter)}`);
  return value;
}

function letterOf(table: Readonly<Record<string, string>>, name: string, value: string): string {
  const letter = Object.keys(table).find((key) => table[key] === value);
  if (letter === undefined) {
    throw new InvalidUnlError(
      `Expected \`${name}\` to be one of ${Object.values(table).join(', ')}, got ${show(value)}`,
    );
  }
  return letter;
}
