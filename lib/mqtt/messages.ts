import { createHash } from 'node:crypto';
import { peerIdToKey, SIGNATURE_LENGTH, verifySignature, type Identity, type PeerId } from '../identity.js';
import { PARCEL_MAX_BYTES } from '../parcel.js';

// What nodes say to each other through a broker.
//
// A parcel goes to the inbox of its receiver:     kind u8 = 1 · where its receipt goes to 16 · parcel
// The receiver answers once it has dealt with it: kind u8 = 2 · SHA-256 of the whole message 32 · signature 64
//
// Both topics are this prefix and 16 bytes in base64url.
const PREFIX = 'rxp2p/1/';
const TOPIC_BYTES = 16;
const KIND = { parcel: 1, receipt: 2 } as const;
const DIGEST_BYTES = 32;
const PARCEL_AT = 1 + TOPIC_BYTES;

const INBOX = Buffer.from('rxp2p mqtt inbox 1 ');
const RECEIPT = Buffer.from('rxp2p mqtt receipt 1 ');
const SECRET = Buffer.from('rxp2p mqtt session 1 ');

/** A client id has 23 letters and digits at most, as every broker allows (MQTT 5 §3.1.3.1). */
const CLIENT_ID_LENGTH = 22;

/** A parcel as it comes. */
export interface ParcelMessage {
  readonly parcel: Buffer;
  /** The bytes of the topic to which its receipt goes. */
  readonly receipts: Buffer;
}

/** The receipt of a parcel. */
export interface Receipt {
  /** Of the message that had the parcel, in hex digits. */
  readonly digest: string;
  readonly signature: Buffer;
}

/** How a node calls itself at a broker. */
export interface SessionNames {
  /** Nobody else can tell it: whoever knows it can take the session over. */
  readonly clientId: string;
  /** The bytes of the topic to which receipts for this node go. Nobody can tell the node's key by it. */
  readonly receipts: Buffer;
}

/** The topic of what is for a peer: a digest of its key. `undefined` for a text that is no peer id. */
export function inboxOf(peerId: PeerId): string | undefined {
  const key = peerIdToKey(peerId);
  return key === undefined ? undefined : topicOf(sha256(INBOX, key));
}

/** The topic that is named by bytes. */
export function topicOf(bytes: Buffer): string {
  return `${PREFIX}${bytes.toString('base64url', 0, TOPIC_BYTES)}`;
}

/**
 * The names of a node at a broker: the same after each start, others at each broker. They follow from a signature, which only the node
 * can make, and always in the same way (RFC 8032 §5.1.6).
 */
export function sessionNames(identity: Identity, brokerUrl: string): SessionNames {
  const secret = sha256(identity.sign(Buffer.concat([SECRET, Buffer.from(brokerUrl)])));
  return {
    clientId: secret.toString('hex').slice(0, CLIENT_ID_LENGTH),
    receipts: secret.subarray(secret.length - TOPIC_BYTES),
  };
}

/** Writes a message with a parcel. */
export function encodeParcel(parcel: Buffer, receipts: Buffer): Buffer {
  return Buffer.concat([Buffer.of(KIND.parcel), receipts, parcel]);
}

/** Reads a message with a parcel: `undefined` for anything else. */
export function decodeParcel(message: Buffer): ParcelMessage | undefined {
  const parcel = message.subarray(PARCEL_AT);
  if (message[0] !== KIND.parcel || parcel.length === 0 || parcel.length > PARCEL_MAX_BYTES) return undefined;
  return { parcel, receipts: message.subarray(1, PARCEL_AT) };
}

/** Writes the receipt of a message. */
export function encodeReceipt(identity: Identity, message: Buffer): Buffer {
  const digest = sha256(message);
  return Buffer.concat([Buffer.of(KIND.receipt), digest, identity.sign(Buffer.concat([RECEIPT, digest]))]);
}

/** Reads a receipt: `undefined` for anything else. Its signature is not checked yet. */
export function decodeReceipt(message: Buffer): Receipt | undefined {
  if (message[0] !== KIND.receipt || message.length !== 1 + DIGEST_BYTES + SIGNATURE_LENGTH) return undefined;
  return { digest: message.toString('hex', 1, 1 + DIGEST_BYTES), signature: message.subarray(1 + DIGEST_BYTES) };
}

/** What a receipt for a message names, in hex digits. */
export function digestOf(message: Buffer): string {
  return sha256(message).toString('hex');
}

/** Whether a peer has signed a receipt. */
export function isReceiptOf(peerId: PeerId, { digest, signature }: Receipt): boolean {
  return verifySignature(peerId, Buffer.concat([RECEIPT, Buffer.from(digest, 'hex')]), signature);
}

function sha256(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}
