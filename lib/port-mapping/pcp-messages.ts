import { addressFromBytes, addressToBytes, canonicalAddress, familyOf, type Endpoint } from '../endpoint.js';

// The Port Control Protocol, RFC 6887: requests and answers of 24 bytes of header (§7.1, §7.2), and for MAP 36 bytes of
// its own (§11.1). All numbers are big-endian, all addresses 16 bytes, IPv4 ones in their IPv4-mapped form (§5).

const VERSION = 2;
const ANSWER_BIT = 0x80;
const HEADER_BYTES = 24;
const MAP_BYTES = 36;

/** The longest message (§7). */
const MAX_BYTES = 1100;

/** The protocol of the ports: TCP's number at IANA. */
const TCP = 6;

export const ANNOUNCE = 0;
export const MAP = 1;

/** The length of a mapping's nonce, in bytes. The mapping can only be changed with its nonce (§11.2). */
export const NONCE_BYTES = 12;

/** Words for the result codes (§7.4). */
const RESULTS = [
  'success',
  'unsupported version',
  'not authorized',
  'malformed request',
  'unsupported opcode',
  'unsupported option',
  'malformed option',
  'network failure',
  'no resources',
  'unsupported protocol',
  'quota exceeded',
  'cannot provide the external address',
  'address mismatch: another NAT stands between',
  'too many remote peers',
] as const;

/** What is asked of a mapping. */
interface MapRequest {
  /** The address that the request comes from. */
  readonly client: string;
  readonly nonce: Buffer;
  readonly internalPort: number;
  /** 0 when any will do. */
  readonly externalPort: number;
  /** 0 deletes the mapping (§15.1). */
  readonly lifetimeSeconds: number;
}

/** What a server says of a mapping. */
interface MapAnswer {
  readonly nonce: Buffer;
  readonly internalPort: number;
  readonly external: Endpoint;
}

/** An answer of a PCP server; `map` only of those to MAP. */
export interface PcpAnswer {
  readonly opcode: number;
  readonly result: number;
  readonly lifetimeSeconds: number;
  /** Seconds since the server lost its mappings (§8.5). */
  readonly epochSeconds: number;
  readonly map: MapAnswer | undefined;
}

/** Writes an ANNOUNCE request, which asks for nothing but the epoch (§14.1.1). */
export function formatAnnounce(client: string): Buffer {
  return header(ANNOUNCE, 0, client);
}

/** Writes a request to map a TCP port (§11.1). */
export function formatMap({ client, nonce, internalPort, externalPort, lifetimeSeconds }: MapRequest): Buffer {
  const map = Buffer.alloc(MAP_BYTES);
  map.set(nonce.subarray(0, NONCE_BYTES), 0);
  map.writeUInt8(TCP, 12);
  map.writeUInt16BE(internalPort, 16);
  map.writeUInt16BE(externalPort, 18);
  // Any address of the family (§11.1).
  map.set(toSixteen(familyOf(client) === 4 ? '0.0.0.0' : '::'), 20);
  return Buffer.concat([header(MAP, lifetimeSeconds, client), map]);
}

/** Reads an answer: `undefined` for anything that is none (§8.3). A NAT-PMP gateway's refusal (RFC 6886 §3.5) is one, too. */
export function parsePcp(datagram: Buffer): PcpAnswer | undefined {
  if (datagram.length >= 8 && datagram[0] === 0 && datagram.readUInt16BE(2) === 1) {
    return { opcode: ANNOUNCE, result: 1, lifetimeSeconds: 0, epochSeconds: datagram.readUInt32BE(4), map: undefined };
  }
  if (datagram.length < HEADER_BYTES || datagram.length > MAX_BYTES || datagram.length % 4 !== 0) return undefined;
  const kind = datagram.readUInt8(1);
  if (datagram[0] !== VERSION || (kind & ANSWER_BIT) === 0) return undefined;
  const opcode = kind & ~ANSWER_BIT;
  const body = datagram.subarray(HEADER_BYTES);
  const map = opcode === MAP ? parseMap(body) : undefined;
  if (opcode === MAP && map === undefined) return undefined;
  return {
    opcode,
    result: datagram.readUInt8(3),
    lifetimeSeconds: datagram.readUInt32BE(4),
    epochSeconds: datagram.readUInt32BE(8),
    map,
  };
}

/** What a result code means, in words. */
export function describeResult(result: number): string {
  return RESULTS[result] ?? `result code ${result}`;
}

function header(opcode: number, lifetimeSeconds: number, client: string): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt8(opcode, 1);
  bytes.writeUInt32BE(lifetimeSeconds, 4);
  bytes.set(toSixteen(client), 8);
  return bytes;
}

function parseMap(body: Buffer): MapAnswer | undefined {
  if (body.length < MAP_BYTES || body.readUInt8(12) !== TCP) return undefined;
  const address = canonicalAddress(addressFromBytes(body.subarray(20, MAP_BYTES)));
  if (address === undefined) return undefined;
  return {
    nonce: Buffer.from(body.subarray(0, NONCE_BYTES)),
    internalPort: body.readUInt16BE(16),
    external: { address, port: body.readUInt16BE(18) },
  };
}

/** The 16 bytes of an address: of an IPv4 one in its IPv4-mapped form (RFC 4291 §2.5.5.2). */
function toSixteen(address: string): Uint8Array {
  const bytes = addressToBytes(address);
  return bytes.length === 16 ? bytes : Uint8Array.from([...new Array<number>(10).fill(0), 0xff, 0xff, ...bytes]);
}
