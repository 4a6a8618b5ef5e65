import { createHash } from 'node:crypto';
import { ownBytes } from '../bounds/own-bytes.js';
import { addressFromBytes, addressToBytes, type Endpoint } from '../endpoint.js';
import { KEY_LENGTH, peerIdOfKey, peerIdToKey, SIGNATURE_LENGTH, type Identity, type PeerId } from '../identity.js';
import { KEEP_MAX_MS, PARCEL_MAX_BYTES } from '../parcel.js';

// What nodes say to each other inside dht-rpc's requests and replies. All numbers are big-endian.
//
//   FIND      padding                                              → version
//   ANNOUNCE  key 32 · secret 16 · signature 64                    → status 1
//   STORE     to 32 · part · keepMs 4 · bytes                      → status 1, or DELIVERED 1 · signature 64
//   PUSH      secret 16 · part · seenAt 4 · bytes                  → signature 64
//   part      digest 32 · index 1 · count 1
//
// JOIN is in `topic-messages.ts`.
//
// Version 2: a part has no number any more. The order of signals is in what their sender signs.

/** The commands, out of the way of those of other programs that build on dht-rpc. */
export const COMMAND = {
  find: 0x7270,
  announce: 0x7271,
  store: 0x7272,
  push: 0x7273,
  join: 0x7274,
} as const;

/** What a node answers. */
export const STATUS = {
  /** It was announced, or stored. */
  ok: 0,
  /** The request has to be made again with the token that comes with this answer. */
  tokenNeeded: 1,
  /** It is malformed, proves nothing, or there is no room. */
  refused: 2,
  /** The receiver has it, and has signed for it. */
  delivered: 3,
} as const;

/** The bytes of one part of a parcel: with all that is around them a datagram stays below IPv6's least MTU of 1280. */
export const PART_BYTES = 1000;

/** The parts of the largest parcel. */
export const MAX_PARTS = Math.ceil(PARCEL_MAX_BYTES / PART_BYTES);

/** A FIND is padded to the size of the reply, so that nobody's reply is larger than what a forged source has paid for. */
export const FIND_PADDING = Buffer.alloc(192);

/**
 * The length of the secret that a receiver sends with each announcement. The node repeats it in each push, so that nobody can
 * push in its name with a forged source address.
 */
export const SECRET_BYTES = 16;

/** What a node of this kind answers to a FIND. */
export const VERSION = Buffer.from([2]);

/** The length of an id of dht-rpc, of a digest, and of a token. */
const HASH_BYTES = 32;
const PART_HEADER_BYTES = HASH_BYTES + 1 + 1;
const NOWHERE = '0.0.0.0';

/** A piece of a parcel, small enough for a datagram. */
export interface Part {
  /** SHA-256 of the whole parcel. */
  readonly digest: Buffer;
  /** Which part of the parcel it is, from 0. */
  readonly index: number;
  /** How many there are. */
  readonly count: number;
  readonly bytes: Buffer;
}

/** A part that is to be stored. */
export interface StoreRequest {
  /** Whom it is for, as {@link mailboxOf} says. */
  readonly to: Buffer;
  readonly part: Part;
  readonly keepMs: number;
}

/** A part on its way to its receiver. */
export interface PushRequest {
  readonly part: Part;
  /** The address at which the node that pushes saw the sender. */
  readonly seenAt: string | undefined;
}

/** SHA-256. */
export function digestOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/**
 * Where parcels for a peer are stored: at the nodes whose ids are closest to these 32 bytes. `undefined` when the text is
 * no peer id.
 */
export function mailboxOf(peerId: PeerId): Buffer | undefined {
  const key = peerIdToKey(peerId);
  return key === undefined ? undefined : digestOf(key);
}

/** Cuts a parcel into parts of at most {@link PART_BYTES}; there is always one. */
export function toParts(bytes: Buffer): Part[] {
  const digest = digestOf(bytes);
  const count = Math.max(1, Math.ceil(bytes.length / PART_BYTES));
  return Array.from({ length: count }, (_, index) => ({
    digest,
    index,
    count,
    bytes: bytes.subarray(index * PART_BYTES, (index + 1) * PART_BYTES),
  }));
}

/**
 * What the receiver signs so that a node sends its parcels to an address. The signature is valid for that node and address only.
 *
 * @param secret what the node is to bring back, {@link SECRET_BYTES} long.
 */
export function announcementOf(token: Buffer, nodeId: Buffer, { address, port }: Endpoint, secret: Buffer): Buffer {
  const label = Buffer.from('rxp2p dht announce 1 ');
  return Buffer.concat([label, token, nodeId, addressToBytes(address), uint16(port), secret]);
}

/** What the receiver signs for a parcel that it has. */
export function receiptOf(digest: Buffer): Buffer {
  return Buffer.concat([Buffer.from('rxp2p dht receipt 1 '), digest]);
}

/** Writes an ANNOUNCE. Without what is to be signed it only asks for a token. */
export function encodeAnnounce(identity: Identity, secret: Buffer, announcement: Buffer | undefined): Buffer {
  const signature = announcement === undefined ? Buffer.alloc(SIGNATURE_LENGTH) : identity.sign(announcement);
  return Buffer.concat([peerIdToKey(identity.peerId) ?? Buffer.alloc(KEY_LENGTH), secret, signature]);
}

/** An ANNOUNCE as it was read. */
interface AnnounceRequest {
  readonly peerId: PeerId;
  /** What comes back with each PUSH. */
  readonly secret: Buffer;
  readonly signature: Buffer;
}

/** Reads an ANNOUNCE; `undefined` for anything else. */
export function decodeAnnounce(value: Buffer): AnnounceRequest | undefined {
  if (value.length !== KEY_LENGTH + SECRET_BYTES + SIGNATURE_LENGTH) return undefined;
  return {
    peerId: peerIdOfKey(value.subarray(0, KEY_LENGTH)),
    secret: ownBytes(value.subarray(KEY_LENGTH, KEY_LENGTH + SECRET_BYTES)),
    signature: value.subarray(KEY_LENGTH + SECRET_BYTES),
  };
}

/** Writes a STORE. */
export function encodeStore({ to, part, keepMs }: StoreRequest): Buffer {
  return Buffer.concat([to, encodeHeader(part), uint32(keepMs), part.bytes]);
}

/** Reads a STORE; `undefined` for anything else. */
export function decodeStore(value: Buffer): StoreRequest | undefined {
  const part = decodePart(value.subarray(HASH_BYTES), 4);
  if (part === undefined) return undefined;
  const keepMs = value.readUInt32BE(HASH_BYTES + PART_HEADER_BYTES);
  if (keepMs > KEEP_MAX_MS) return undefined;
  return { to: value.subarray(0, HASH_BYTES), part, keepMs };
}

/** Writes a PUSH with the secret of the announcement. */
export function encodePush(secret: Buffer, { part, seenAt = NOWHERE }: PushRequest): Buffer {
  return Buffer.concat([secret, encodeHeader(part), addressToBytes(seenAt), part.bytes]);
}

/** Reads a PUSH; `undefined` for anything else. */
export function decodePush(value: Buffer): { readonly secret: Buffer; readonly push: PushRequest } | undefined {
  const body = value.subarray(SECRET_BYTES);
  const part = decodePart(body, 4);
  if (part === undefined) return undefined;
  const seenAt = addressFromBytes(body.subarray(PART_HEADER_BYTES, PART_HEADER_BYTES + 4));
  return {
    secret: value.subarray(0, SECRET_BYTES),
    push: { part, seenAt: seenAt === NOWHERE ? undefined : seenAt },
  };
}

/** What a node says of a part that it was given. */
export interface StoreAnswer {
  readonly status: number;
  /** The receiver's word that it has the parcel. */
  readonly receipt: Buffer | undefined;
}

/** Writes the answer to a STORE or an ANNOUNCE. */
export function encodeAnswer({ status, receipt }: StoreAnswer): Buffer {
  return Buffer.concat([Buffer.from([status]), receipt ?? Buffer.alloc(0)]);
}

/** Reads the answer to a STORE or an ANNOUNCE; `undefined` for anything else. */
export function decodeAnswer(value: Buffer): StoreAnswer | undefined {
  const [status] = value;
  if (status === undefined) return undefined;
  if (status !== STATUS.delivered) return { status, receipt: undefined };
  const receipt = value.subarray(1);
  return receipt.length === SIGNATURE_LENGTH ? { status, receipt } : undefined;
}

function encodeHeader({ digest, index, count }: Part): Buffer {
  return Buffer.concat([digest, Buffer.from([index, count])]);
}

/** Reads a part of which the bytes come some way behind the header. */
function decodePart(value: Buffer, between: number): Part | undefined {
  if (value.length < PART_HEADER_BYTES + between) return undefined;
  const bytes = value.subarray(PART_HEADER_BYTES + between);
  const digest = value.subarray(0, HASH_BYTES);
  const [index = 0, count = 0] = value.subarray(PART_HEADER_BYTES - 2);
  if (bytes.length > PART_BYTES || count > MAX_PARTS || index >= count) return undefined;
  // Copied, since they are kept and the datagram may be much longer.
  return { digest: ownBytes(digest), index, count, bytes: ownBytes(bytes) };
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
