import { createHash } from 'node:crypto';
import { ProtocolError } from '../../errors.js';
import {
  isPeerId,
  KEY_LENGTH,
  peerIdOfKey,
  peerIdToKey,
  SIGNATURE_LENGTH,
  type Identity,
  type PeerId,
} from '../../identity.js';

/** What a message of a member is. */
export const KIND = {
  /** Text of the application, in UTF-8. */
  text: 0,
  /** Bytes of the application. */
  bytes: 1,
  /** The member is there, and says so again within a time: u16, in seconds. It has the number 0, and is shown rather than passed on. */
  here: 2,
  /** The member leaves. */
  leave: 3,
} as const;

/** A message as its author signs it. */
export interface AuthoredMessage {
  readonly author: PeerId;
  /** One run of the author's, 16 hex digits: of two runs, the later has the greater. */
  readonly stream: string;
  /** Counts the messages of a stream, from 1 on; 0 for what is shown rather than passed on. */
  readonly number: number;
  /** When it was written, by the author's clock: milliseconds since the epoch. */
  readonly at: number;
  /** One of {@link KIND}; others belong to newer versions, and are passed on. */
  readonly kind: number;
  readonly payload: Buffer;
}

/** A message as it is passed on. */
export interface SignedMessage extends AuthoredMessage {
  readonly signature: Buffer;
  /** Names it: a digest of author, stream and number. */
  readonly id: string;
}

/** The first byte of each message. */
const FORMAT = 1;

const AUTHOR_AT = 2;
const STREAM_AT = AUTHOR_AT + KEY_LENGTH;
const STREAM_BYTES = 8;
const NUMBER_AT = STREAM_AT + STREAM_BYTES;
const TIME_AT = NUMBER_AT + 4;
const SIGNATURE_AT = TIME_AT + 6;

/** How long a message is without its payload, in bytes. */
export const HEADER_BYTES = SIGNATURE_AT + SIGNATURE_LENGTH;

/** What a member says of its being there, and that it leaves, has a payload of two bytes and of none. Newer versions may add some. */
const PRESENCE_PAYLOAD_BYTES = 64;

/** How long a message of the kinds `here` and `leave` is at most, in bytes. Every member keeps one of each other member. */
export const PRESENCE_BYTES = HEADER_BYTES + PRESENCE_PAYLOAD_BYTES;

/** Part of what is signed, so that no signature made for something else holds here. */
const DOMAIN = Buffer.from('rxp2p room message 1\0');

/** How long the id of a message is, in bytes. */
export const ID_BYTES = 16;

const STREAM = /^[0-9a-f]{16}$/;

/** The stream of a run that begins at a time of day. Two random bytes tell runs apart that begin in the same millisecond. */
export function streamOf(startedAt: number, random: Uint8Array): string {
  return startedAt.toString(16).padStart(12, '0').slice(-12) + Buffer.from(random).toString('hex').slice(0, 4);
}

/** Signs a message for one room: the signature holds in no other. */
export function signMessage(identity: Identity, topic: Uint8Array, message: Omit<AuthoredMessage, 'author'>): Buffer {
  const header = headerOf({ ...message, author: identity.peerId });
  const signature = identity.sign(signedPart(topic, header, message.payload));
  return Buffer.concat([header, signature, message.payload]);
}

/**
 * Reads a message. Its signature has not been checked then.
 *
 * @throws ProtocolError for bytes that no author writes.
 */
export function readMessage(bytes: Buffer): SignedMessage {
  if (bytes.length < HEADER_BYTES || bytes[0] !== FORMAT)
    throw new ProtocolError('Expected a message of a room, got other bytes');
  const author = peerIdOfKey(bytes.subarray(AUTHOR_AT, STREAM_AT));
  if (!isPeerId(author)) throw new ProtocolError('Expected the author of a message to be a key');
  const [kind, number] = [bytes.readUInt8(1), bytes.readUInt32BE(NUMBER_AT)];
  if ((number === 0) !== (kind === KIND.here))
    throw new ProtocolError(
      `Expected a message that is passed on to have a number, got number ${number} of kind ${kind}`,
    );
  return {
    author,
    stream: bytes.toString('hex', STREAM_AT, NUMBER_AT),
    number,
    at: bytes.readUIntBE(TIME_AT, 6),
    kind,
    payload: bytes.subarray(HEADER_BYTES),
    signature: bytes.subarray(SIGNATURE_AT, HEADER_BYTES),
    // Who is there is shown in hundreds of records, of which nobody asks for the ids.
    get id() {
      const digest = createHash('sha256').update(bytes.subarray(AUTHOR_AT, TIME_AT)).digest();
      return digest.toString('base64url', 0, ID_BYTES);
    },
  };
}

/** What the author of a message has signed, for one room. */
export function signedPartOf(topic: Uint8Array, bytes: Buffer): Buffer {
  return signedPart(topic, bytes.subarray(0, SIGNATURE_AT), bytes.subarray(HEADER_BYTES));
}

function signedPart(topic: Uint8Array, header: Uint8Array, payload: Uint8Array): Buffer {
  return Buffer.concat([DOMAIN, topic, header, payload]);
}

function headerOf({ author, stream, number, at, kind }: Omit<AuthoredMessage, 'payload'>): Buffer {
  const key = peerIdToKey(author);
  if (key === undefined || !STREAM.test(stream))
    throw new ProtocolError('Expected a message to have an author and a stream');
  const header = Buffer.alloc(SIGNATURE_AT);
  header.writeUInt8(FORMAT, 0);
  header.writeUInt8(kind, 1);
  header.set(key, AUTHOR_AT);
  header.write(stream, STREAM_AT, 'hex');
  header.writeUInt32BE(number, NUMBER_AT);
  header.writeUIntBE(at, TIME_AT, 6);
  return header;
}
