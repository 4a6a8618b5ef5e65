import { createCipheriv, createDecipheriv, createHmac, diffieHellman, type KeyObject } from 'node:crypto';
import { newPrivateKey, publicBytesOf, publicKeyOf } from '../key-bytes.js';

// Hybrid public key encryption, RFC 9180, in base mode and for single messages (§6.1), of one suite:
// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM. Of the AEADs of the RFC it is the one that every runtime has:
// Bun's `node:crypto` lacks ChaCha20Poly1305. AES-256 would be no safer: X25519 gives 128 bits, too.

const KEM_SUITE = Buffer.from('KEM\x00\x20', 'latin1');
const HPKE_SUITE = Buffer.from('HPKE\x00\x20\x00\x01\x00\x01', 'latin1');
const BASE_MODE = 0;
const HASH_LENGTH = 32;
const AEAD = 'aes-128-gcm';
const KEY_LENGTH = 16;
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;

/** The length in bytes of an X25519 key, and of the encapsulated key that a sealed message begins with. */
const X25519_LENGTH = 32;

/** By how much a sealed message is longer than what is in it, in bytes. */
const HPKE_OVERHEAD = X25519_LENGTH + TAG_LENGTH;

/**
 * Encrypts a message so that only the owner of a key can read it (RFC 9180 §5.1.1, §5.2). It does not authenticate the sender.
 *
 * @param publicKey the receiver's X25519 key, 32 bytes.
 * @param info what both sides must agree on; it is not sent.
 * @param ephemeral a key pair for this message alone; specs give a known one. @throws Error when the key would give an all-zero
 * shared secret (RFC 7748 §6.1).
 *
 * @example
 * openSealed(openingKey, info, seal(sealingKey, info, Buffer.from('hello')))?.toString(); // hello
 */
export function seal(
  publicKey: Uint8Array,
  info: Uint8Array,
  plaintext: Uint8Array,
  ephemeral: KeyObject = newPrivateKey('X25519'),
): Buffer {
  const encapsulated = publicBytesOf(ephemeral);
  const agreed = diffieHellman({ privateKey: ephemeral, publicKey: x25519KeyOf(publicKey) });
  const { key, nonce } = schedule(agreed, Buffer.concat([encapsulated, publicKey]), info);
  const cipher = createCipheriv(AEAD, key, nonce, { authTagLength: TAG_LENGTH });
  return Buffer.concat([encapsulated, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/**
 * Decrypts a message that was sealed to a key (RFC 9180 §5.1.1, §5.2): `undefined` when it was not, or is damaged. Never throws.
 */
export function openSealed(privateKey: KeyObject, info: Uint8Array, sealed: Buffer): Buffer | undefined {
  if (sealed.length < HPKE_OVERHEAD) return undefined;
  const encapsulated = sealed.subarray(0, X25519_LENGTH);
  try {
    const agreed = diffieHellman({ privateKey, publicKey: x25519KeyOf(encapsulated) });
    const { key, nonce } = schedule(agreed, Buffer.concat([encapsulated, publicBytesOf(privateKey)]), info);
    const decipher = createDecipheriv(AEAD, key, nonce, { authTagLength: TAG_LENGTH });
    decipher.setAuthTag(sealed.subarray(-TAG_LENGTH));
    return Buffer.concat([decipher.update(sealed.subarray(X25519_LENGTH, -TAG_LENGTH)), decipher.final()]);
  } catch {
    return undefined;
  }
}

function x25519KeyOf(bytes: Uint8Array): KeyObject {
  return publicKeyOf('X25519', Buffer.from(bytes).toString('base64url'));
}

/** RFC 9180 §4.1 (the shared secret) and §5.1 (key and nonce). */
function schedule(
  agreed: Uint8Array,
  kemContext: Uint8Array,
  info: Uint8Array,
): { readonly key: Buffer; readonly nonce: Buffer } {
  const none = Buffer.alloc(0);
  const eaePrk = labeledExtract(KEM_SUITE, none, 'eae_prk', agreed);
  const shared = labeledExpand(KEM_SUITE, eaePrk, 'shared_secret', kemContext, HASH_LENGTH);
  const context = Buffer.concat([
    Buffer.from([BASE_MODE]),
    labeledExtract(HPKE_SUITE, none, 'psk_id_hash', none),
    labeledExtract(HPKE_SUITE, none, 'info_hash', info),
  ]);
  const secret = labeledExtract(HPKE_SUITE, shared, 'secret', none);
  return {
    key: labeledExpand(HPKE_SUITE, secret, 'key', context, KEY_LENGTH),
    nonce: labeledExpand(HPKE_SUITE, secret, 'base_nonce', context, NONCE_LENGTH),
  };
}

/** RFC 9180 §4; HKDF's extract step is an HMAC (RFC 5869 §2.2). */
function labeledExtract(suite: Uint8Array, salt: Uint8Array, label: string, input: Uint8Array): Buffer {
  const key = salt.length > 0 ? salt : Buffer.alloc(HASH_LENGTH);
  return createHmac('sha256', key)
    .update(Buffer.concat([Buffer.from('HPKE-v1'), suite, Buffer.from(label), input]))
    .digest();
}

/** RFC 9180 §4; of HKDF's expand step (RFC 5869 §2.3) one block is enough for all that is needed here. */
function labeledExpand(suite: Uint8Array, prk: Uint8Array, label: string, info: Uint8Array, length: number): Buffer {
  const labeled = Buffer.concat([
    Buffer.from([length >> 8, length & 0xff]),
    Buffer.from('HPKE-v1'),
    suite,
    Buffer.from(label),
    info,
    Buffer.from([1]),
  ]);
  return createHmac('sha256', prk).update(labeled).digest().subarray(0, length);
}
