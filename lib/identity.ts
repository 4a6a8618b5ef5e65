import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
  type KeyObject,
  type X509Certificate,
} from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
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
import { IdentityError } from './errors.js';
import { decodeBase64Url } from './validate.js';

/** An Ed25519 public key (RFC 8032) as 43 base64url characters: who a node is. */
export type PeerId = string;

/** Who this node is: its key pair and what follows from it. */
export interface Identity {
  readonly peerId: PeerId;
  /** The first 20 bytes of the key's SHA-256, in 40 hex digits, where Kademlia or PyP2P wants a node id. */
  readonly nodeId: string;
  /** The certificate that carries the key in TLS, PEM. */
  readonly certificate: string;
  /** The private key, PKCS #8 in PEM. A secret. */
  readonly privateKey: string;
  /** Signs with the private key: 64 bytes (RFC 8032 §5.1.6). */
  sign(data: Uint8Array): Buffer;
}

/** The length in bytes of an Ed25519 public key. */
export const KEY_LENGTH = 32;

/** The length in bytes of an Ed25519 signature. */
export const SIGNATURE_LENGTH = 64;

/** The DER of SubjectPublicKeyInfo is this prefix and then the 32 bytes of the key (RFC 8410 §4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** id-Ed25519 (RFC 8410 §3). */
const ED25519 = '1.3.101.112';

/**
 * Makes a new identity.
 *
 * @example
 * const identity = createIdentity();
 * createNet({ mode: 'direct', identity });
 */
export function createIdentity(): Identity {
  return identityOf(generateKeyPairSync('ed25519').privateKey);
}

/**
 * Reads an identity from a file that {@link saveIdentity} wrote.
 *
 * @throws IdentityError when the file cannot be read, holds no Ed25519 key, or can be read by other users.
 */
export function loadIdentity(path: string): Identity {
  let key: KeyObject;
  try {
    // Windows has no such bits; everywhere else a key that others can read is no proof of anything.
    if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) {
      throw new IdentityError(`The key file ${path} can be used by other users. Run: chmod 600 ${path}`);
    }
    key = createPrivateKey(readFileSync(path));
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause;
    throw new IdentityError(`Expected ${path} to hold a private key in PEM, but it could not be read`, { cause });
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new IdentityError(`Expected ${path} to hold an Ed25519 key, got ${key.asymmetricKeyType ?? 'another kind'}`);
  }
  return identityOf(key);
}

/**
 * Writes an identity to a new file that only its owner can read (mode 0600).
 *
 * @throws IdentityError when the file exists already or cannot be written.
 */
export function saveIdentity(identity: Identity, path: string): void {
  try {
    writeFileSync(path, identity.privateKey, { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    throw new IdentityError(`The key could not be saved to ${path}: it must be a new file in a folder that exists`, {
      cause,
    });
  }
}

/** Reads the identity in a file, or makes one and saves it there when there is no such file yet. */
export function loadOrCreateIdentity(path: string): Identity {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return loadIdentity(path);
  const identity = createIdentity();
  saveIdentity(identity, path);
  return identity;
}

/** The 32 bytes of a peer id, or `undefined` when the text is none. */
export function peerIdToKey(peerId: PeerId): Buffer | undefined {
  const bytes = decodeBase64Url(peerId);
  return bytes?.length === KEY_LENGTH ? bytes : undefined;
}

/** The peer id of a public key. */
export function peerIdOfKey(key: Uint8Array): PeerId {
  return Buffer.from(key).toString('base64url');
}

/** The peer id that a certificate carries, or `undefined` when its key is not Ed25519. */
export function peerIdOfCertificate({ publicKey }: X509Certificate): PeerId | undefined {
  if (publicKey.asymmetricKeyType !== 'ed25519') return undefined;
  return peerIdOfKey(publicKey.export({ type: 'spki', format: 'der' }).subarray(-KEY_LENGTH));
}

/** The node id of a peer. */
export function nodeIdOf(key: Uint8Array): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 40);
}

/** Whether the owner of `peerId` signed the data. Never throws. */
export function verifySignature(peerId: PeerId, data: Uint8Array, signature: Uint8Array): boolean {
  const key = peerIdToKey(peerId);
  if (key === undefined || signature.length !== SIGNATURE_LENGTH) return false;
  return verify(
    null,
    data,
    createPublicKey({ key: Buffer.concat([SPKI_PREFIX, key]), format: 'der', type: 'spki' }),
    signature,
  );
}

/** Which of two peers decides where only one may: the one with the greater key, compared as bytes. */
export function isGreater(peerId: PeerId, other: PeerId): boolean {
  return Buffer.compare(Buffer.from(peerId, 'base64url'), Buffer.from(other, 'base64url')) > 0;
}

function identityOf(privateKey: KeyObject): Identity {
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const key = publicKey.subarray(-KEY_LENGTH);
  return {
    peerId: peerIdOfKey(key),
    nodeId: nodeIdOf(key),
    certificate: selfSignedCertificate(publicKey, privateKey),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    sign: (data) => sign(null, data, privateKey),
  };
}

/**
 * The smallest certificate that TLS accepts (RFC 5280 §4.1). It only carries the key, which is all that is checked, so
 * its name tells nothing and it never expires (9999-12-31, RFC 5280 §4.1.2.5).
 */
function selfSignedCertificate(publicKey: Buffer, privateKey: KeyObject): string {
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ED25519 });
  const commonName = new AttributeTypeAndValue({
    type: '2.5.4.3',
    value: new AttributeValue({ utf8String: 'rxp2p' }),
  });
  const name = new Name([new RelativeDistinguishedName([commonName])]);
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
    signatureValue: toArrayBuffer(sign(null, signed, privateKey)),
  });
  const base64 = Buffer.from(AsnConvert.serialize(certificate)).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

function toArrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
