import { addressFromBytes, addressToBytes, canonicalAddress, isPort, type Endpoint } from '../endpoint.js';
import { ProtocolError } from '../errors.js';
import { oneLine } from '../words.js';

// The messages of STUN, RFC 8489 §5: a header of 20 bytes, then attributes (§14), each padded to a multiple of 4 bytes. All numbers
// are big-endian. By TCP (§6.2.2) one message follows the other, each as long as its header says.

/** The length of the header (§5). */
export const HEADER_BYTES = 20;

/** What the header has after its length (§5). */
const COOKIE = 0x2112a442;

/** The length of a transaction's id (§5). */
export const TRANSACTION_BYTES = 12;

/** The longest message that is read, in bytes. Servers need a tenth of it. */
export const STUN_MAX_BYTES = 1_024;

/** The attributes that are used here (§14; OTHER-ADDRESS: RFC 5780 §7.4). */
export const ATTRIBUTE = {
  mappedAddress: 0x0001,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  xorMappedAddress: 0x0020,
  fingerprint: 0x8028,
  otherAddress: 0x802c,
} as const;

/** The first attribute that a reader who does not know it passes over; it must not use a message with an unknown one below (§14). */
const FIRST_OPTIONAL = 0x8000;

/** Those below that RFC 3489, 8489 and 8656 have: none of them changes what the others say. */
const LAST_KNOWN = 0x002a;

/** The method of a request that asks where the server sees it come from (§3). */
export const BINDING = 0x001;

/** The classes of messages, as bits of their type (§5). */
const CLASS_BITS = { request: 0x000, indication: 0x010, success: 0x100, error: 0x110 } as const;

/** What a message is (§5). */
export type StunClass = keyof typeof CLASS_BITS;

/** One attribute of a message. */
export interface StunAttribute {
  /** One of {@link ATTRIBUTE}, or another. */
  readonly type: number;
  readonly value: Uint8Array;
}

/** A message of STUN. */
export interface StunMessage {
  /** What is asked, or was: {@link BINDING}, or another. */
  readonly method: number;
  readonly class: StunClass;
  /** The id that an answer has in common with its request: 12 bytes. */
  readonly transaction: Buffer;
  /** In their order, without FINGERPRINT. */
  readonly attributes: readonly StunAttribute[];
}

/** Writes a message; `withFingerprint` completes it. */
export function encodeStun({ method, class: kind, transaction, attributes }: StunMessage): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  // §5: the bits of the class stand between those of the method.
  header.writeUInt16BE((method & 0xf) | ((method & 0x70) << 1) | ((method & 0xf80) << 2) | CLASS_BITS[kind], 0);
  header.writeUInt32BE(COOKIE, 4);
  header.set(transaction.subarray(0, TRANSACTION_BYTES), 8);
  return attributes.reduce(withAttribute, header);
}

/** Appends an attribute, and counts it in the header. */
export function withAttribute(message: Buffer, { type, value }: StunAttribute): Buffer {
  const attribute = Buffer.alloc(4 + padded(value.length));
  attribute.writeUInt16BE(type, 0);
  attribute.writeUInt16BE(value.length, 2);
  attribute.set(value, 4);
  const longer = Buffer.concat([message, attribute]);
  longer.writeUInt16BE(longer.length - HEADER_BYTES, 2);
  return longer;
}

/** Appends FINGERPRINT (§14.7), by which STUN is told from other protocols. Nothing may follow it. */
export function withFingerprint(message: Buffer): Buffer {
  const whole = withAttribute(message, { type: ATTRIBUTE.fingerprint, value: Buffer.alloc(4) });
  whole.writeUInt32BE(fingerprintOf(whole), whole.length - 4);
  return whole;
}

/**
 * Reads one whole message: `undefined` for anything that is none, and for one whose FINGERPRINT is wrong. Never throws.
 *
 * @example
 * decodeStun(bytes)?.class; // 'success'
 */
export function decodeStun(bytes: Buffer): StunMessage | undefined {
  if (bytes.length < HEADER_BYTES || lengthOf(bytes) !== bytes.length) return undefined;
  const attributes: StunAttribute[] = [];
  for (let at = HEADER_BYTES; at < bytes.length;) {
    const [type, length] = [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 2)];
    const next = at + 4 + padded(length);
    if (next > bytes.length) return undefined;
    if (type === ATTRIBUTE.fingerprint) {
      // §14.7: it is the last attribute.
      const isRight = length === 4 && next === bytes.length && bytes.readUInt32BE(at + 4) === fingerprintOf(bytes);
      if (!isRight) return undefined;
    } else attributes.push({ type, value: Buffer.from(bytes.subarray(at + 4, at + 4 + length)) });
    at = next;
  }
  const type = bytes.readUInt16BE(0);
  return {
    method: (type & 0xf) | ((type & 0xe0) >> 1) | ((type & 0x3e00) >> 2),
    class: classOf(type),
    transaction: Buffer.from(bytes.subarray(8, HEADER_BYTES)),
    attributes,
  };
}

/**
 * Reads messages from a stream, however it is cut, and keeps no more than {@link STUN_MAX_BYTES} of it. The decoder throws a
 * ProtocolError for what is no STUN, and for a message that is longer; after that the stream cannot be read any further.
 *
 * @example
 * const decode = stunDecoder();
 * socket.on('data', (chunk) => decode(chunk).forEach(handle));
 */
export function stunDecoder(): (chunk: Buffer) => StunMessage[] {
  const split = stunSplitter();
  return (chunk) => split(chunk).map((bytes) => decodeStun(bytes) ?? failAs(', got one that is malformed'));
}

/** Cuts a stream into messages like {@link stunDecoder}, and leaves them as they are. */
export function stunSplitter(): (chunk: Buffer) => Buffer[] {
  const held = Buffer.alloc(STUN_MAX_BYTES);
  let [size, wanted] = [0, HEADER_BYTES];
  return (chunk) => {
    const messages: Buffer[] = [];
    for (let at = 0; at < chunk.length;) {
      const taken = chunk.copy(held, size, at, at + wanted - size);
      at += taken;
      size += taken;
      if (size === HEADER_BYTES) wanted = lengthOf(held) ?? failAs(' of at most 1024 bytes, got something else');
      if (size < wanted) continue;
      messages.push(Buffer.from(held.subarray(0, wanted)));
      [size, wanted] = [0, HEADER_BYTES];
    }
    return messages;
  };
}

/**
 * How long the message is that a stream begins with; `undefined` while too little of it has come to tell.
 *
 * @throws ProtocolError where it begins with something else.
 */
export function stunLength(bytes: Buffer): number | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  return lengthOf(bytes) ?? failAs(' of at most 1024 bytes, got something else');
}

function failAs(words: string): never {
  throw new ProtocolError(`Expected a message of STUN${words}`);
}

/**
 * Where a server has seen a Binding request come from: XOR-MAPPED-ADDRESS (§14.2), or MAPPED-ADDRESS (§14.1) of a server from before
 * it. `undefined` where a message tells none that one can send to.
 */
export function mappedAddressIn(message: StunMessage): Endpoint | undefined {
  const masked = attributeIn(message, ATTRIBUTE.xorMappedAddress);
  if (masked !== undefined) return readXorAddress(masked, message.transaction);
  const plain = attributeIn(message, ATTRIBUTE.mappedAddress);
  return plain === undefined ? undefined : readAddress(plain, UNMASKED);
}

/** Another endpoint at which the server listens, for tests of a NAT (RFC 5780 §7.4); `undefined` where it tells none. */
export function otherAddressIn(message: StunMessage): Endpoint | undefined {
  const value = attributeIn(message, ATTRIBUTE.otherAddress);
  return value === undefined ? undefined : readAddress(value, UNMASKED);
}

/** Where the first attribute of a type stands in a whole message; `undefined` where it has none. */
export function offsetOf(bytes: Buffer, wanted: number): number | undefined {
  for (let at = HEADER_BYTES; at + 4 <= bytes.length; at += 4 + padded(bytes.readUInt16BE(at + 2)))
    if (bytes.readUInt16BE(at) === wanted) return at;
  return undefined;
}

/** The code and the words of an error (§14.8); `undefined` where a message has none. */
export function errorIn(message: StunMessage): { readonly code: number; readonly words: string } | undefined {
  const value = attributeIn(message, ATTRIBUTE.errorCode);
  if (value === undefined || value.length < 4) return undefined;
  const [, , hundreds = 0, rest = 0] = value;
  return { code: (hundreds & 7) * 100 + rest, words: oneLine(Buffer.from(value.subarray(4)).toString('utf8')) };
}

/** Whether a message has an attribute that a reader has to know, and this one does not (§6.3.3): it must not be used. */
export function hasUnknownAttribute({ attributes }: StunMessage): boolean {
  return attributes.some(({ type }) => type > LAST_KNOWN && type < FIRST_OPTIONAL);
}

/** The value of an attribute: of several the first (§14). */
export function attributeIn({ attributes }: StunMessage, type: number): Uint8Array | undefined {
  return attributes.find((attribute) => attribute.type === type)?.value;
}

/** Writes an address as in XOR-MAPPED-ADDRESS (§14.2). */
export function xorAddress(endpoint: Endpoint, transaction: Buffer): Buffer {
  return writeAddress(endpoint, maskOf(transaction));
}

/** Reads an address as in XOR-MAPPED-ADDRESS (§14.2). */
export function readXorAddress(value: Uint8Array, transaction: Buffer): Endpoint | undefined {
  return readAddress(value, maskOf(transaction));
}

/** Writes an address as in MAPPED-ADDRESS (§14.1). */
export function plainAddress(endpoint: Endpoint): Buffer {
  return writeAddress(endpoint, UNMASKED);
}

/** By what an address is masked (§14.2), so that no router on the way takes it for one that it has to change. */
function maskOf(transaction: Buffer): Uint8Array {
  const mask = Buffer.alloc(4 + TRANSACTION_BYTES);
  mask.writeUInt32BE(COOKIE, 0);
  mask.set(transaction, 4);
  return mask;
}

const UNMASKED = new Uint8Array(4 + TRANSACTION_BYTES);

/** The lengths of addresses by their family (§14.1). */
const ADDRESS_BYTES: readonly (number | undefined)[] = [undefined, 4, 16];

function writeAddress({ address, port }: Endpoint, mask: Uint8Array): Buffer {
  const bytes = addressToBytes(address);
  const value = Buffer.alloc(4 + bytes.length);
  value.writeUInt8(ADDRESS_BYTES.indexOf(bytes.length), 1);
  value.writeUInt16BE(port, 2);
  value.set(bytes, 4);
  return Buffer.from(unmasked(value, mask));
}

function readAddress(value: Uint8Array, mask: Uint8Array): Endpoint | undefined {
  const length = ADDRESS_BYTES[value[1] ?? 0];
  if (length === undefined || value.length !== 4 + length) return undefined;
  const [, , high = 0, low = 0, ...bytes] = unmasked(value, mask);
  const address = canonicalAddress(addressFromBytes(Uint8Array.from(bytes)));
  const port = high * 256 + low;
  return address === undefined || !isPort(port) ? undefined : { address, port };
}

/** The port is masked by the first bytes of the mask, and so is the address (§14.2). */
function unmasked(value: Uint8Array, mask: Uint8Array): Uint8Array {
  return value.map((byte, i) => (i < 2 ? byte : byte ^ (mask[i < 4 ? i - 2 : i - 4] ?? 0)));
}

/** How long a message is that begins with a header; `undefined` where that is none, or where it is too long. */
function lengthOf(bytes: Buffer): number | undefined {
  const length = HEADER_BYTES + bytes.readUInt16BE(2);
  const isStun = bytes.readUInt8(0) < 0x40 && bytes.readUInt32BE(4) === COOKIE;
  return isStun && length % 4 === 0 && length <= STUN_MAX_BYTES ? length : undefined;
}

function classOf(type: number): StunClass {
  const bits = type & CLASS_BITS.error;
  if (bits === CLASS_BITS.error) return 'error';
  if (bits === CLASS_BITS.success) return 'success';
  return bits === CLASS_BITS.indication ? 'indication' : 'request';
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

/** A text in ASCII, "STUN" (§14.7). */
const FINGERPRINT_MASK = 0x5354554e;

/** FINGERPRINT's attribute, which is not part of what is summed up. */
const FINGERPRINT_BYTES = 8;

/** The CRC-32 of ITU V.42 over all before the attribute. */
function fingerprintOf(message: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of message.subarray(0, message.length - FINGERPRINT_BYTES)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff ^ FINGERPRINT_MASK) >>> 0;
}
