import { ownBytes } from '../bounds/own-bytes.js';
import { addressFromBytes, addressToBytes, type Endpoint } from '../endpoint.js';
import { SIGNATURE_LENGTH } from '../identity.js';
import { digestOf, STATUS } from './messages.js';

// How nodes meet under a topic. All numbers are big-endian.
//
//   JOIN      topic 32 · near 32 · signature 64 · locator          → status 1, and with 0: member …
//   member    seenAt 4 · length 2 · locator
//
// It needs a token: the answer may be longer than the request, and goes to nobody who has not asked.

/** The length of a topic, and of what members are to be near to. */
export const TOPIC_LENGTH = 32;

/** The longest locator: 512 characters of base64url. */
const UNL_MAX_BYTES = 384;

/** All members in one answer take at most so many bytes: with what is around them the datagram stays below IPv6's least MTU of 1280. */
export const MEMBERS_BYTES = 1000;

/** A member takes at least so many bytes. */
const MEMBER_HEADER_BYTES = 4 + 2;

const NOWHERE = '0.0.0.0';

/** A node that wants to be found under a topic, and to hear of others. */
export interface JoinRequest {
  readonly topic: Buffer;
  /** It wants to hear of those whose keys are near to this, by XOR: the same at all nodes, which so name the same members and can be compared. */
  readonly near: Buffer;
  /** Of {@link membershipOf}, by the key in the locator. */
  readonly signature: Buffer;
  /** A locator, as bytes. */
  readonly unl: Buffer;
}

/** A member as a node names it. */
export interface NamedMember {
  /** The address at which the node saw it. */
  readonly seenAt: string | undefined;
  /** Its locator, as bytes: its own word. */
  readonly unl: Buffer;
}

/** Where the members of a topic are kept: at the nodes whose ids are closest to these 32 bytes. Nodes on the way do not learn the topic. */
export function placeOf(topic: Buffer): Buffer {
  return digestOf(Buffer.concat([Buffer.from('rxp2p dht topic 1 '), topic]));
}

/**
 * What a member signs. It is valid at that node, from that address, and for that topic and locator only.
 *
 * @param at where the node sees the member.
 */
export function membershipOf(token: Buffer, nodeId: Buffer, at: Endpoint, topic: Buffer, unl: Buffer): Buffer {
  const port = Buffer.alloc(2);
  port.writeUInt16BE(at.port);
  return Buffer.concat([Buffer.from('rxp2p dht join 1 '), token, nodeId, addressToBytes(at.address), port, topic, unl]);
}

/** Writes a JOIN. */
export function encodeJoin({ topic, near, signature, unl }: JoinRequest): Buffer {
  return Buffer.concat([topic, near, signature, unl]);
}

/** Reads a JOIN; `undefined` for anything else. */
export function decodeJoin(value: Buffer): JoinRequest | undefined {
  const from = 2 * TOPIC_LENGTH + SIGNATURE_LENGTH;
  if (value.length <= from || value.length > from + UNL_MAX_BYTES) return undefined;
  return {
    topic: ownBytes(value.subarray(0, TOPIC_LENGTH)),
    near: value.subarray(TOPIC_LENGTH, 2 * TOPIC_LENGTH),
    signature: value.subarray(2 * TOPIC_LENGTH, from),
    unl: ownBytes(value.subarray(from)),
  };
}

/** Writes the answer to a JOIN: as many as there is room for, the first of them. */
export function encodeMembers(members: readonly NamedMember[]): Buffer {
  const parts: Buffer[] = [Buffer.from([STATUS.ok])];
  let bytes = 0;
  for (const { seenAt, unl } of members) {
    bytes += MEMBER_HEADER_BYTES + unl.length;
    if (bytes > MEMBERS_BYTES) break;
    const length = Buffer.alloc(2);
    length.writeUInt16BE(unl.length);
    parts.push(Buffer.from(addressToBytes(seenAt ?? NOWHERE)), length, unl);
  }
  return Buffer.concat(parts);
}

/** Reads the answer to a JOIN; `undefined` for anything else. */
export function decodeMembers(value: Buffer): readonly NamedMember[] | undefined {
  if (value[0] !== STATUS.ok || value.length > 1 + MEMBERS_BYTES) return undefined;
  const members: NamedMember[] = [];
  for (let at = 1; at < value.length;) {
    if (value.length - at <= MEMBER_HEADER_BYTES) return undefined;
    const seenAt = addressFromBytes(value.subarray(at, at + 4));
    const from = at + MEMBER_HEADER_BYTES;
    const length = value.readUInt16BE(at + 4);
    if (length === 0 || length > UNL_MAX_BYTES || from + length > value.length) return undefined;
    members.push({
      seenAt: seenAt === NOWHERE ? undefined : seenAt,
      unl: ownBytes(value.subarray(from, from + length)),
    });
    at = from + length;
  }
  return members;
}
