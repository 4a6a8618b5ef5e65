import { SIGNATURE_LENGTH, verifySignature, type Identity, type PeerId } from '../identity.js';
import { parseJsonObject } from '../validate.js';
import type { Signal } from './signalling.js';

// signature 64 bytes · JSON { from, to, id, at, kind, body }
// The signature covers a label and the JSON, so that it is worth nothing in any other place.
const LABEL = Buffer.from('rxp2p signal 1 ');

/** A signal with what makes it unique and provable. */
export interface Envelope extends Signal {
  readonly from: PeerId;
  readonly to: PeerId;
  /** Unique for its sender. */
  readonly id: string;
  /** When it was sent, in milliseconds since the epoch, by the sender's clock. */
  readonly at: number;
}

/** Signs and packs a signal. */
export function sealEnvelope(identity: Identity, envelope: Omit<Envelope, 'from'>): Buffer {
  const json = Buffer.from(JSON.stringify({ ...envelope, from: identity.peerId }));
  return Buffer.concat([identity.sign(Buffer.concat([LABEL, json])), json]);
}

/** Unpacks a signal: `undefined` when it is malformed, or not signed by whom it says it is from. Never throws. */
export function openEnvelope(bytes: Buffer): Envelope | undefined {
  const json = bytes.subarray(SIGNATURE_LENGTH);
  const { from, to, id, at, kind, body } = parseJsonObject(json.toString('utf8')) ?? {};
  if (typeof from !== 'string' || typeof to !== 'string' || typeof id !== 'string' || typeof kind !== 'string') {
    return undefined;
  }
  if (typeof at !== 'number' || typeof body !== 'object' || body === null || Array.isArray(body)) return undefined;
  const signature = bytes.subarray(0, SIGNATURE_LENGTH);
  if (!verifySignature(from, Buffer.concat([LABEL, json]), signature)) return undefined;
  return { from, to, id, at, kind, body: { ...body } };
}
