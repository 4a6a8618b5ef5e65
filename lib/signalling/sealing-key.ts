import { ed25519 } from '@noble/curves/ed25519.js';
import { peerIdToKey, type PeerId } from '../identity.js';

/**
 * The X25519 key to which a message for a peer is sealed, 32 bytes: its Ed25519 key as a point of the other form of the same
 * curve (RFC 7748 §4.1). `undefined` when the text is no peer id.
 */
export function sealingKeyOf(peerId: PeerId): Uint8Array | undefined {
  const key = peerIdToKey(peerId);
  try {
    return key && ed25519.utils.toMontgomery(key);
  } catch {
    // Half of all numbers are the y of no point.
    return undefined;
  }
}
