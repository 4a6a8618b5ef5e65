import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import type { PeerId } from '../identity.js';
import { formatUnl, parseUnl, UNL_MAX_LENGTH } from '../unl.js';
import type { UnlV3 } from '../unl/types.js';

// What two nodes say to each other to become a pair: one invites and shows a code, the other has it typed in.
//
//   from the invited               from the inviter
//   1 share                     →
//                               ←  1 share
//   2 confirmation, locator     →
//                               ←  2 confirmation, locator  |  3 reason
//
// The shares and the confirmations are those of CPace. The locators are sealed by keys of its key, one for each direction. The invited
// proves that it knows the code before the inviter does: whoever leaves before that has learned nothing, and whoever proves a wrong code
// has had its try.

/** The version of these messages; both sides have the same one, or get different keys. */
export const PAIRING_VERSION = 1;

/** The longest of them, in bytes. */
export const PAIRING_MESSAGE_MAX_BYTES = 1_024;

/** Who says something: each has keys of its own. */
export type PairingRole = 'inviter' | 'invited';

/** Why an inviter refuses. */
export type PairingRefusal =
  /** The words are not those of the code. */
  | 'wrong'
  /** Another node was first. */
  | 'used'
  /** There were too many tries. */
  | 'closed'
  /** It is the inviter's own node that has typed the code. */
  | 'own';

/** One message. */
export type PairingMessage =
  | { readonly type: 'share'; readonly share: Buffer }
  | { readonly type: 'proof'; readonly confirmation: Buffer; readonly sealed: Buffer }
  | { readonly type: 'refusal'; readonly reason: PairingRefusal };

/** A node with which this one has become a pair. */
export interface PairedPeer {
  /** Who it is: it has proven that it knows the code, and proves this key when it is connected. */
  readonly peerId: PeerId;
  /** Its locator, to connect to it. */
  readonly unl: string;
}

const SHARE_BYTES = 32;
const CONFIRMATION_BYTES = 64;
const TAG_BYTES = 16;
const SEALED_BYTES = UNL_MAX_LENGTH + TAG_BYTES;
const TYPES = { share: 1, proof: 2, refusal: 3 } as const;
const REASONS: readonly PairingRefusal[] = ['wrong', 'used', 'closed', 'own'];

/** Each key seals one message, so that its nonce may be known. */
const NONCE = Buffer.alloc(12);
const AEAD = 'aes-256-gcm';
const KEY_BYTES = 32;

/** Writes a message. */
export function encodePairing(message: PairingMessage): Buffer {
  const head = Uint8Array.of(PAIRING_VERSION, TYPES[message.type]);
  switch (message.type) {
    case 'share':
      return Buffer.concat([head, message.share]);
    case 'proof':
      return Buffer.concat([head, message.confirmation, message.sealed]);
    case 'refusal':
      return Buffer.concat([head, Uint8Array.of(REASONS.indexOf(message.reason))]);
  }
}

/** Reads a message: `undefined` for anything that is not exactly one. Never throws. */
export function decodePairing(bytes: Buffer): PairingMessage | undefined {
  const [version, type] = bytes;
  const rest = bytes.subarray(2);
  if (version !== PAIRING_VERSION) return undefined;
  switch (type) {
    case TYPES.share:
      return rest.length === SHARE_BYTES ? { type: 'share', share: rest } : undefined;
    case TYPES.proof: {
      if (rest.length !== CONFIRMATION_BYTES + SEALED_BYTES) return undefined;
      const confirmation = rest.subarray(0, CONFIRMATION_BYTES);
      return { type: 'proof', confirmation, sealed: rest.subarray(CONFIRMATION_BYTES) };
    }
    case TYPES.refusal: {
      const reason = rest.length === 1 ? REASONS[rest.readUInt8()] : undefined;
      return reason && { type: 'refusal', reason };
    }
    default:
      return undefined;
  }
}

/**
 * Seals a locator, always to the same length, so that the length tells nothing of the node.
 *
 * @param key the key of CPace.
 * @param from who says it.
 */
export function sealLocator(key: Uint8Array, from: PairingRole, unl: string): Buffer {
  const padded = Buffer.alloc(UNL_MAX_LENGTH);
  padded.write(unl);
  const cipher = createCipheriv(AEAD, keyOf(key, from), NONCE, { authTagLength: TAG_BYTES });
  return Buffer.concat([cipher.update(padded), cipher.final(), cipher.getAuthTag()]);
}

/**
 * Opens a sealed locator: `undefined` when it was not sealed by this key in this direction, or is no locator of a node with a key. Never throws.
 */
export function openLocator(key: Uint8Array, from: PairingRole, sealed: Buffer): PairedPeer | undefined {
  try {
    const decipher = createDecipheriv(AEAD, keyOf(key, from), NONCE, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const padded = Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
    const end = padded.indexOf(0);
    const unl = parseUnl(padded.toString('latin1', 0, end < 0 ? padded.length : end));
    return hasKey(unl) ? { peerId: unl.peerId, unl: formatUnl(unl) } : undefined;
  } catch {
    return undefined;
  }
}

function hasKey(unl: ReturnType<typeof parseUnl>): unl is UnlV3 {
  return unl.version === 3;
}

function keyOf(key: Uint8Array, from: PairingRole): Buffer {
  const info = `rxp2p pairing ${PAIRING_VERSION} locator of the ${from}`;
  return Buffer.from(hkdfSync('sha512', key, Buffer.alloc(0), info, KEY_BYTES));
}
