import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { newPrivateKey, privateKeyOf, publicBytesOf, publicKeyOf } from '../lib/key-bytes.js';

describe('The bytes of a key', () => {
  // RFC 8032 §7.1, test 1; RFC 7748 §6.1, Bob.
  const known = [
    ['Ed25519', 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'],
    ['X25519', 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f'],
  ] as const;

  it('are those that the key was made of', () => {
    for (const [curve, hex] of known) {
      const bytes = Buffer.from(hex, 'hex');
      expect(publicBytesOf(publicKeyOf(curve, bytes.toString('base64url')))).toEqual(bytes);
    }
  });

  it('are the same of a private key as of the public key that belongs to it, and the last of its DER', () => {
    for (const privateKey of [newPrivateKey('Ed25519'), newPrivateKey('X25519')]) {
      const publicKey = createPublicKey(privateKey);
      const bytes = publicBytesOf(publicKey);
      expect(bytes.length).toBe(32);
      expect(publicBytesOf(privateKey)).toEqual(bytes);
      expect(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)).toEqual(bytes);
    }
  });

  it('are all that there is to a private key', () => {
    // The same tests of the RFCs.
    const secrets = {
      Ed25519: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      X25519: '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
    };
    for (const [curve, hex] of known) {
      const key = privateKeyOf(curve, Buffer.from(secrets[curve], 'hex'));
      expect(key.type).toBe('private');
      expect(publicBytesOf(key).toString('hex')).toBe(hex);
      expect(publicBytesOf(newPrivateKey(curve))).not.toEqual(publicBytesOf(newPrivateKey(curve)));
    }
  });

  it('are those of no other kind of key', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(() => publicBytesOf(publicKey)).toThrowError(TypeError, /Ed25519 or X25519/);
  });
});
