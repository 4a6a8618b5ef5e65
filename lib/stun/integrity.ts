import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { ATTRIBUTE, decodeStun, HEADER_BYTES, offsetOf, withAttribute, type StunMessage } from './messages.js';

// MESSAGE-INTEGRITY (RFC 8489 §14.5): an HMAC-SHA1 over the message up to the attribute, with a length in the header that counts the
// attribute in. What follows it is not covered.

const INTEGRITY_BYTES = 20;
const ATTRIBUTE_BYTES = 4 + INTEGRITY_BYTES;

/**
 * The key of long-term credentials (RFC 8489 §9.2.2). The password is prepared as an OpaqueString (RFC 8265 §4.2): spaces are one
 * character, and letters have one spelling.
 */
export function longTermKey(username: string, realm: string, password: string): Buffer {
  return createHash('md5')
    .update(`${username}:${opaque(realm)}:${opaque(password)}`)
    .digest();
}

/** Appends MESSAGE-INTEGRITY; only FINGERPRINT may follow it. */
export function withIntegrity(message: Buffer, key: Buffer): Buffer {
  const whole = withAttribute(message, { type: ATTRIBUTE.messageIntegrity, value: Buffer.alloc(INTEGRITY_BYTES) });
  whole.set(hmacOf(whole.subarray(0, -ATTRIBUTE_BYTES), key), whole.length - INTEGRITY_BYTES);
  return whole;
}

/** Reads a message by whoever has the key: what is not covered is left out. `undefined` for one by anybody else. */
export function readIntact(bytes: Buffer, key: Buffer): StunMessage | undefined {
  const message = decodeStun(bytes);
  const index = message?.attributes.findIndex(({ type }) => type === ATTRIBUTE.messageIntegrity) ?? -1;
  const at = offsetOf(bytes, ATTRIBUTE.messageIntegrity);
  if (message === undefined || index < 0 || at === undefined) return undefined;
  const covered = Buffer.from(bytes.subarray(0, at));
  covered.writeUInt16BE(at + ATTRIBUTE_BYTES - HEADER_BYTES, 2);
  const given = message.attributes[index]?.value ?? Buffer.alloc(0);
  const isIntact = given.length === INTEGRITY_BYTES && timingSafeEqual(given, hmacOf(covered, key));
  return isIntact ? { ...message, attributes: message.attributes.slice(0, index) } : undefined;
}

function hmacOf(bytes: Buffer, key: Buffer): Buffer {
  return createHmac('sha1', key).update(bytes).digest();
}

function opaque(text: string): string {
  return text.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC');
}
