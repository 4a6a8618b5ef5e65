import { createPrivateKey } from 'node:crypto';
import { openSealed, seal } from '../../lib/signalling/hpke.js';

const bytes = (hex: string) => Buffer.from(hex, 'hex');

/** RFC 8410 §7. */
const x25519PrivateKey = (secret: Buffer) =>
  createPrivateKey({
    key: Buffer.concat([bytes('302e020100300506032b656e04220420'), secret]),
    format: 'der',
    type: 'pkcs8',
  });

/** RFC 9180, appendix A.1.1. */
const VECTOR = {
  info: bytes('4f6465206f6e2061204772656369616e2055726e'),
  ephemeral: bytes('52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736'),
  encapsulated: '37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431',
  secret: bytes('4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8'),
  publicKey: bytes('3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d'),
};
const plaintext = bytes('4265617574792069732074727574682c20747275746820626561757479');

describe('HPKE', () => {
  const sealed = seal(VECTOR.publicKey, VECTOR.info, plaintext, x25519PrivateKey(VECTOR.ephemeral));
  const privateKey = x25519PrivateKey(VECTOR.secret);

  it('encapsulates as the test vector of the RFC does, and its key stream is the one there', () => {
    expect(sealed.subarray(0, 32).toString('hex')).toBe(VECTOR.encapsulated);
    // The vector has additional data, which changes the tag and not the ciphertext.
    expect(sealed.subarray(32, -16).toString('hex')).toBe('f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218');
  });

  it('opens what was sealed to the key', () => {
    expect(openSealed(privateKey, VECTOR.info, sealed)).toEqual(plaintext);
  });

  it('seals the same message differently each time', () => {
    const again = seal(VECTOR.publicKey, VECTOR.info, plaintext);
    expect(again).not.toEqual(sealed);
    expect(openSealed(privateKey, VECTOR.info, again)).toEqual(plaintext);
  });

  it('opens nothing that was sealed to another key, for another purpose, or has been touched', () => {
    expect(openSealed(x25519PrivateKey(VECTOR.ephemeral), VECTOR.info, sealed)).toBeUndefined();
    expect(openSealed(privateKey, Buffer.from('else'), sealed)).toBeUndefined();
    for (let at = 0; at < sealed.length; at++) {
      // The topmost bit of an X25519 key is ignored (RFC 7748 §5), but the key is part of what is authenticated.
      const touched = Buffer.from(sealed);
      touched.writeUInt8(touched.readUInt8(at) ^ 0x80, at);
      expect(openSealed(privateKey, VECTOR.info, touched))
        .withContext(`byte ${at}`)
        .toBeUndefined();
    }
    for (let length = 0; length < sealed.length; length++) {
      expect(openSealed(privateKey, VECTOR.info, sealed.subarray(0, length)))
        .withContext(`${length}`)
        .toBeUndefined();
    }
  });

  it('opens nothing that was made with a key of small order, and seals nothing to one', () => {
    const zero = Buffer.alloc(32);
    expect(openSealed(privateKey, VECTOR.info, Buffer.concat([zero, sealed.subarray(32)]))).toBeUndefined();
    expect(() => seal(zero, VECTOR.info, plaintext)).toThrowError();
  });
});
