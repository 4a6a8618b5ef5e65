import { generateKeyPairSync } from 'node:crypto';
import { publicBytesOf, publicKeyOf } from '../lib/public-key.js';

describe('The bytes of a public key', () => {
  // RFC 8032 §7.1, test 1; RFC 7748 §6.1, Alice.
  const known = [
    ['Ed25519', 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'],
    ['X25519', '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a'],
  ] as const;

  it('are those that the key was made of', () => {
    for (const [curve, hex] of known) {
      const bytes = Buffer.from(hex, 'hex');
      expect(publicBytesOf(publicKeyOf(curve, bytes.toString('base64url')))).toEqual(bytes);
    }
  });

  it('are the same of a private key as of the public key that belongs to it, and the last of its DER', () => {
    for (const { publicKey, privateKey } of [generateKeyPairSync('ed25519'), generateKeyPairSync('x25519')]) {
      const bytes = publicBytesOf(publicKey);
      expect(bytes.length).toBe(32);
      expect(publicBytesOf(privateKey)).toEqual(bytes);
      expect(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)).toEqual(bytes);
    }
  });

  it('are those of no other kind of key', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(() => publicBytesOf(publicKey)).toThrowError(TypeError, /Ed25519 or X25519/);
  });
});
