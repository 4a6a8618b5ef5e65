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

/** RFC 9180, appendix A.2.1. */
const VECTOR = {
  info: bytes('4f6465206f6e2061204772656369616e2055726e'),
  ephemeral: bytes('f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600'),
  encapsulated: '1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a',
  secret: bytes('8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb'),
  publicKey: bytes('4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a'),
};
const plaintext = bytes('4265617574792069732074727574682c20747275746820626561757479');

describe('HPKE', () => {
  const sealed = seal(VECTOR.publicKey, VECTOR.info, plaintext, x25519PrivateKey(VECTOR.ephemeral));
  const privateKey = x25519PrivateKey(VECTOR.secret);

  it('encapsulates as the test vector of the RFC does, and its key stream is the one there', () => {
    expect(sealed.subarray(0, 32).toString('hex')).toBe(VECTOR.encapsulated);
    // The vector has additional data, which changes the tag and not the ciphertext.
    expect(sealed.subarray(32, -16).toString('hex')).toBe('1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b');
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
