import { createHash, createPrivateKey, sign, verify, type KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { IdentityError, reasonOf } from './errors.js';
import { codeOf, writeNewFile } from './new-file.js';
import { newPrivateKey, privateKeyOf, publicBytesOf, publicKeyOf } from './key-bytes.js';
import { decodeBase64Url } from './validate.js';

/** An Ed25519 public key (RFC 8032) as 43 base64url characters: who a node is. */
export type PeerId = string;

/** Who this node is: its key pair and what follows from it. */
export interface Identity {
  /** The public key. */
  readonly peerId: PeerId;
  /** The first 20 bytes of the key's SHA-256, in 40 hex digits, where Kademlia or PyP2P wants a node id. */
  readonly nodeId: string;
  /** The private key, PKCS #8 in PEM. A secret. */
  readonly privateKey: string;
  /** The X25519 key by which this node opens what others have sealed to it: the same number as the private key. A secret. */
  readonly openingKey: KeyObject;
  /** Signs with the private key: 64 bytes (RFC 8032 §5.1.6). */
  sign(data: Uint8Array): Buffer;
}

/** The length in bytes of an Ed25519 public key. */
export const KEY_LENGTH = 32;

/** The length in bytes of an Ed25519 signature. */
export const SIGNATURE_LENGTH = 64;

/**
 * Makes a new identity: a random Ed25519 key pair.
 *
 * @example
 * const identity = createIdentity();
 * createNet({ mode: 'direct', identity });
 */
export function createIdentity(): Identity {
  return identityOf(newPrivateKey('Ed25519'));
}

/**
 * Reads an identity from a file that {@link saveIdentity} wrote.
 *
 * An empty file is refused like any other that holds no key. A crash may have emptied it, and others may know the lost key. So
 * the operator decides whether to restore a copy, or to delete the file and become a new peer.
 *
 * @param path the file.
 * @throws IdentityError (`IDENTITY`) when the file cannot be read, holds no Ed25519 key, or can be read by other users.
 *
 * @example
 * createNet({ mode: 'direct', identity: loadIdentity('node.key') });
 */
export function loadIdentity(path: string): Identity {
  const pem = readKeyFile(path);
  if (pem.trim() === '') {
    throw new IdentityError(
      `Expected ${path} to hold a private key in PEM, but it is empty: a crash or a full disk stopped it from being written. ` +
        'Bring the key back from a copy; if there is none, delete the file, and a new key is made',
    );
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new IdentityError(
      `Expected ${path} to hold a private key in PEM, but it holds none, or a part of one. ` +
        'Bring the key back from a copy, or name another file',
      { cause },
    );
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new IdentityError(`Expected ${path} to hold an Ed25519 key, got ${key.asymmetricKeyType ?? 'another kind'}`);
  }
  return identityOf(key);
}

function readKeyFile(path: string): string {
  try {
    // Windows has no such bits. Elsewhere, a key that others can read proves nothing.
    const file = statSync(path);
    if (process.platform !== 'win32' && file.isFile() && (file.mode & 0o077) !== 0) {
      throw new IdentityError(`The key file ${path} can be used by other users. Run: chmod 600 ${path}`);
    }
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause;
    throw new IdentityError(
      `Expected ${path} to hold a private key in PEM, but it could not be read: ${reasonOf(cause)}`,
      { cause },
    );
  }
}

/**
 * Writes an identity to a new file that only its owner can read (mode 0600). The file is there with the whole key, or not at all,
 * whatever happens meanwhile.
 *
 * @param identity whose private key is written, in PEM.
 * @param path the new file.
 * @throws IdentityError (`IDENTITY`) when the file exists already or cannot be written; its `cause` is the error of the file system.
 *
 * @example
 * const identity = createIdentity();
 * saveIdentity(identity, 'node.key');
 */
export function saveIdentity(identity: Identity, path: string): void {
  try {
    writeNewFile(path, identity.privateKey);
  } catch (cause) {
    const advice = ADVICE[codeOf(cause)] ?? '';
    throw new IdentityError(`The key could not be saved to ${path}: ${reasonOf(cause)}${advice}`, { cause });
  }
}

/** What to do when a key cannot be saved, where the error of the file system does not say it. */
const ADVICE: Readonly<Record<string, string>> = {
  EEXIST: '. A key is never written over: it must be a new file',
  ENOENT: '. The file must be in a folder that exists',
};

/**
 * Reads the identity in a file, or makes one and saves it there when there is no such file yet. Processes that do so at the same time
 * get the same identity.
 *
 * @param path the file.
 * @throws IdentityError (`IDENTITY`) as {@link loadIdentity} and {@link saveIdentity} do.
 *
 * @example
 * createNet({ mode: 'direct', identity: loadOrCreateIdentity('node.key') });
 */
export function loadOrCreateIdentity(path: string): Identity {
  if (isThere(path)) return loadIdentity(path);
  const identity = createIdentity();
  try {
    saveIdentity(identity, path);
    return identity;
  } catch (error) {
    // Another process was first.
    if (error instanceof IdentityError && codeOf(error.cause) === 'EEXIST') return loadIdentity(path);
    throw error;
  }
}

/** Whether the file exists. If that cannot be determined, it counts as existing: reading it then gives the reason. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** The 32 bytes of a peer id, or `undefined` when the text is none. */
export function peerIdToKey(peerId: PeerId): Buffer | undefined {
  const bytes = decodeBase64Url(peerId);
  return bytes !== undefined && isKey(bytes) ? bytes : undefined;
}

/** 32 bytes in base64url. */
const KEY_TEXT = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/** How the texts of bytes begin that {@link isKey} may turn down. All others are keys. */
const MAYBE_NO_KEY = /^(?:AAAA|AQAA|JuiV|xxdq|..__)/;

/** Whether a received value is a peer id. A server asks that of each message, so it is decoded only if need be. */
export function isPeerId(value: unknown): value is PeerId {
  if (typeof value !== 'string' || !KEY_TEXT.test(value)) return false;
  return !MAYBE_NO_KEY.test(value) || peerIdToKey(value) !== undefined;
}

/**
 * The y of the points of small order, in hex without the sign bit (the neutral element, and those of orders 2, 4 and 8): for such
 * a key anybody can forge signatures (RFC 8032 §8.9 leaves this check to applications).
 */
const SMALL_ORDER = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
];

/** Whether bytes can be somebody's public key: in the one spelling that it has (RFC 8032 §5.1.3), and not of small order. */
export function isKey(bytes: Uint8Array): boolean {
  if (bytes.length !== KEY_LENGTH) return false;
  const y = Buffer.from(bytes);
  y.writeUInt8(y.readUInt8(KEY_LENGTH - 1) & 0x7f, KEY_LENGTH - 1);
  const hex = y.toString('hex');
  // 2^255 - 19 and what is above have another spelling below.
  const isCanonical = !(hex.endsWith(`${'ff'.repeat(30)}7f`) && y.readUInt8(0) >= 0xed);
  return isCanonical && !SMALL_ORDER.includes(hex);
}

/** The peer id of a public key. */
export function peerIdOfKey(key: Uint8Array): PeerId {
  return Buffer.from(key).toString('base64url');
}

/** The node id of a peer: the first 20 bytes of its key's SHA-256, in 40 hex digits. */
export function nodeIdOf(key: Uint8Array): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 40);
}

/** Whether the owner of `peerId` signed the data. Never throws. */
export function verifySignature(peerId: PeerId, data: Uint8Array, signature: Uint8Array): boolean {
  return isSignatureOf(peerId, signature) && verify(null, data, publicKeyOf('Ed25519', peerId), signature);
}

/**
 * Checks many signatures of one peer. Reading its key takes an eighth of the time of a check; this reads it once, when it is needed.
 *
 * @param peerId whose signatures; a valid one.
 */
export function verifierOf(peerId: PeerId): (data: Uint8Array, signature: Uint8Array) => boolean {
  let key: KeyObject | undefined;
  return (data, signature) =>
    signature.length === SIGNATURE_LENGTH && verify(null, data, (key ??= publicKeyOf('Ed25519', peerId)), signature);
}

/**
 * Like {@link verifySignature}, but a thread of Node's pool does the work, which takes as long as all else that a server does for a
 * session. Never rejects.
 */
export function verifyAside(peerId: PeerId, data: Uint8Array, signature: Uint8Array): Promise<boolean> {
  if (!isSignatureOf(peerId, signature)) return Promise.resolve(false);
  return new Promise((resolve) => {
    verify(null, data, publicKeyOf('Ed25519', peerId), signature, (error, isValid) => {
      resolve(error === null && isValid);
    });
  });
}

function isSignatureOf(peerId: PeerId, signature: Uint8Array): boolean {
  return isPeerId(peerId) && signature.length === SIGNATURE_LENGTH;
}

/** Whether a peer id is the greater of two, compared as bytes. The peer with the greater key decides where only one may. */
export function isGreater(peerId: PeerId, other: PeerId): boolean {
  return Buffer.compare(Buffer.from(peerId, 'base64url'), Buffer.from(other, 'base64url')) > 0;
}

function identityOf(privateKey: KeyObject): Identity {
  const key = publicBytesOf(privateKey);
  // It takes as long as all the rest, and a node that seals nothing needs none.
  let openingKey: KeyObject | undefined;
  return {
    peerId: peerIdOfKey(key),
    nodeId: nodeIdOf(key),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    get openingKey() {
      return (openingKey ??= openingKeyOf(privateKey));
    },
    sign: (data) => sign(null, data, privateKey),
  };
}

/** Both keys are of the same number, which Ed25519 derives from its seed (RFC 8032 §5.1.5). */
function openingKeyOf(privateKey: KeyObject): KeyObject {
  const seed = privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-KEY_LENGTH);
  return privateKeyOf('X25519', createHash('sha512').update(seed).digest().subarray(0, KEY_LENGTH));
}
