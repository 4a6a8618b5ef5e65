import { createPrivateKey, createPublicKey, randomBytes, type KeyObject } from 'node:crypto';

// As JWK (RFC 8037 §2) a key is read ten times as fast as from DER, and written a hundred times as fast: OpenSSL looks for a decoder or an encoder
// each time, which takes 0.2 ms, as long as a signature.

/**
 * The 32 bytes of a public key, or of the one that belongs to a private key.
 *
 * @param key of Ed25519 or X25519.
 * @throws TypeError for a key of another kind.
 *
 * @example
 * publicBytesOf(newPrivateKey('Ed25519')).length; // 32
 */
export function publicBytesOf(key: KeyObject): Buffer {
  // A private key would be written with its secret.
  const { x, kty } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' });
  if (kty !== 'OKP' || x === undefined) throw new TypeError(`Expected a key of Ed25519 or X25519, got one of ${kty}`);
  return Buffer.from(x, 'base64url');
}

/**
 * The public key of these 32 bytes.
 *
 * @param x the bytes in base64url.
 *
 * @example
 * publicKeyOf('Ed25519', Buffer.alloc(32, 7).toString('base64url')).asymmetricKeyType; // 'ed25519'
 */
export function publicKeyOf(curve: 'Ed25519' | 'X25519', x: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: curve, x }, format: 'jwk' });
}

/** What comes before the 32 bytes of a private key in PKCS #8 (RFC 8410 §7). */
const PKCS8_HEAD = {
  Ed25519: Buffer.from('302e020100300506032b657004220420', 'hex'),
  X25519: Buffer.from('302e020100300506032b656e04220420', 'hex'),
};

/**
 * The private key of these 32 bytes. It is read from DER, since in JWK it would have to have its public key beside it.
 *
 * @param secret the seed of a key of Ed25519 (RFC 8032 §5.1.5), or the number of one of X25519 (RFC 7748 §5).
 *
 * @example
 * privateKeyOf('X25519', Buffer.alloc(32, 7)).asymmetricKeyType; // 'x25519'
 */
export function privateKeyOf(curve: 'Ed25519' | 'X25519', secret: Uint8Array): KeyObject {
  const key = Buffer.concat([PKCS8_HEAD[curve], secret]);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

/**
 * Makes a private key of 32 random bytes, which is all that there is to it (RFC 8032 §5.1.5, RFC 7748 §6.1).
 *
 * Not by `generateKeyPairSync`: what that leaves behind waits for the key's lock when it is collected as garbage, and Node collects garbage while it writes a
 * key, which holds that lock. Now and then such a process stands still for ever (seen in Node 20: within 20 s where keys
 * are made and written one after the other).
 *
 * @example
 * publicBytesOf(newPrivateKey('X25519')).length; // 32
 */
export function newPrivateKey(curve: 'Ed25519' | 'X25519'): KeyObject {
  return privateKeyOf(curve, randomBytes(32));
}
