import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { peerIdOfCertificate, selfSignedCertificate } from '../lib/certificate.js';
import { createIdentity } from '../lib/identity.js';

describe('a certificate', () => {
  const identity = createIdentity();

  it('is signed by the identity whose key it carries, and tells nothing else', () => {
    const certificate = new X509Certificate(selfSignedCertificate(identity));
    expect(peerIdOfCertificate(certificate)).toBe(identity.peerId);
    expect(certificate.verify(certificate.publicKey)).toBeTrue();
    expect(certificate.subject).toBe('CN=rxp2p');
    expect(certificate.issuer).toBe('CN=rxp2p');
    expect(new Date(certificate.validFrom) < new Date(Date.UTC(2001))).toBeTrue();
    expect(new Date(certificate.validTo).getUTCFullYear()).toBe(9999);
  });

  it('of a key of another kind belongs to nobody', () => {
    const rsa = new X509Certificate(readFileSync(new URL('../../spec/support/rsa-certificate.pem', import.meta.url)));
    expect(peerIdOfCertificate(rsa)).toBeUndefined();
  });
});
