import { randomBytes, type X509Certificate } from 'node:crypto';
import { peerIdOfKey, type Identity, type PeerId } from './identity.js';
import { publicBytesOf } from './key-bytes.js';

/** The tags of DER's values (X.690 §8), in the order of their numbers; `VERSION` is what RFC 5280 §4.1 calls `[0]`. */
const TAG = {
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OBJECT_IDENTIFIER: 0x06,
  UTF8_STRING: 0x0c,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30,
  SET: 0x31,
  VERSION: 0xa0,
} as const;

/** The key's and the signature's algorithm: id-Ed25519, 1.3.101.112 (RFC 8410 §3). */
const ED25519 = der('SEQUENCE', der('OBJECT_IDENTIFIER', Buffer.from([0x2b, 0x65, 0x70])));

/** Issuer and subject: id-at-commonName, 2.5.4.3 (RFC 5280 appendix A.1). */
const NAME = der(
  'SEQUENCE',
  der(
    'SET',
    der(
      'SEQUENCE',
      der('OBJECT_IDENTIFIER', Buffer.from([0x55, 0x04, 0x03])),
      der('UTF8_STRING', Buffer.from('rxp2p')),
    ),
  ),
);

/** From the year 2000 on, without an end (RFC 5280 §4.1.2.5). */
const VALIDITY = der(
  'SEQUENCE',
  der('UTC_TIME', Buffer.from('000101000000Z')),
  der('GENERALIZED_TIME', Buffer.from('99991231235959Z')),
);

/** A certificate of version 3 says 2. */
const VERSION_3 = der('VERSION', der('INTEGER', Buffer.from([2])));

/**
 * Makes the certificate that carries an identity's key in TLS, PEM: the smallest that TLS accepts (RFC 5280 §4.1). Only
 * its key is ever looked at, so that its name tells nothing and it never expires.
 *
 * @param identity whose key it carries, and who signs it.
 * @returns a new certificate at each call: its serial number is random.
 *
 * @example
 * tls.createServer({ cert: selfSignedCertificate(identity), key: identity.privateKey });
 */
export function selfSignedCertificate(identity: Identity): string {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40; // positive, and of constant length (RFC 5280 §4.1.2.2)
  const key = der('SEQUENCE', ED25519, bitString(Buffer.from(identity.peerId, 'base64url')));
  const signed = der('SEQUENCE', VERSION_3, der('INTEGER', serial), ED25519, NAME, VALIDITY, NAME, key);
  const certificate = der('SEQUENCE', signed, ED25519, bitString(identity.sign(signed)));
  const base64 = certificate.toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

/** The peer id that a certificate carries, or `undefined` when its key is not Ed25519. */
export function peerIdOfCertificate({ publicKey }: X509Certificate): PeerId | undefined {
  if (publicKey.asymmetricKeyType !== 'ed25519') return undefined;
  return peerIdOfKey(publicBytesOf(publicKey));
}

/** One value: its tag, its length (X.690 §8.1.3; nothing in these certificates reaches 256 bytes) and what is in it. */
function der(tag: keyof typeof TAG, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const length = content.length < 0x80 ? [content.length] : [0x81, content.length];
  return Buffer.concat([Buffer.from([TAG[tag], ...length]), content]);
}

/** Whole bytes as a string of bits, of which none is unused. */
function bitString(bytes: Buffer): Buffer {
  return der('BIT_STRING', Buffer.from([0]), bytes);
}
