import { createPrivateKey, createPublicKey, randomBytes, type X509Certificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  Certificate,
  Name,
  RelativeDistinguishedName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';
import { KEY_LENGTH, peerIdOfKey, type Identity, type PeerId } from './identity.js';

/** id-Ed25519 (RFC 8410 §3). */
const ED25519 = '1.3.101.112';

/**
 * Makes the certificate that carries an identity's key in TLS, PEM: the smallest that TLS accepts (RFC 5280 §4.1). Only
 * its key is ever looked at, so that its name tells nothing and it never expires (9999-12-31, RFC 5280 §4.1.2.5).
 *
 * @param identity whose key it carries, and who signs it.
 * @returns a new certificate at each call: its serial number is random.
 *
 * @example
 * tls.createServer({ cert: selfSignedCertificate(identity), key: identity.privateKey });
 */
export function selfSignedCertificate(identity: Identity): string {
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ED25519 });
  const commonName = new AttributeTypeAndValue({
    type: '2.5.4.3',
    value: new AttributeValue({ utf8String: 'rxp2p' }),
  });
  const name = new Name([new RelativeDistinguishedName([commonName])]);
  const publicKey = createPublicKey(createPrivateKey(identity.privateKey)).export({ type: 'spki', format: 'der' });
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40; // positive, and of constant length (RFC 5280 §4.1.2.2)
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: toArrayBuffer(serial),
    signature: signatureAlgorithm,
    issuer: name,
    subject: name,
    validity: new Validity({
      notBefore: new Date(Date.UTC(2000, 0, 1)),
      notAfter: new Date(Date.UTC(9999, 11, 31, 23, 59, 59)),
    }),
    subjectPublicKeyInfo: AsnConvert.parse(publicKey, SubjectPublicKeyInfo),
  });
  const signed = Buffer.from(AsnConvert.serialize(tbsCertificate));
  const certificate = new Certificate({
    tbsCertificate,
    signatureAlgorithm,
    signatureValue: toArrayBuffer(identity.sign(signed)),
  });
  const base64 = Buffer.from(AsnConvert.serialize(certificate)).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

/** The peer id that a certificate carries, or `undefined` when its key is not Ed25519. */
export function peerIdOfCertificate({ publicKey }: X509Certificate): PeerId | undefined {
  if (publicKey.asymmetricKeyType !== 'ed25519') return undefined;
  return peerIdOfKey(publicKey.export({ type: 'spki', format: 'der' }).subarray(-KEY_LENGTH));
}

function toArrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
