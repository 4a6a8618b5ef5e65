import type { KeyObject } from 'node:crypto';
import { ProtocolError } from '../errors.js';
import { SIGNATURE_LENGTH, verifySignature, type Identity, type PeerId } from '../identity.js';
import { isTime, parseJsonObject, show } from '../validate.js';
import { openSealed, seal } from './hpke.js';
import type { Order } from './numbering.js';
import { sealingKeyOf } from './sealing-key.js';
import type { Signal } from './signalling.js';

// version u8 = 2 · sealed to the receiver's key by HPKE: (signature 64 bytes · JSON { from, to, id, at, keepMs, kind, body, order? })
//
// order: { stream, sequence, after? }. Carriers keep no order among signals: the sender numbers what it sends to each receiver, and
// says which earlier one may still come. A signal without it stands alone.
//
// The signature covers a label and the JSON, so that it is worth nothing in any other place. It names the receiver, so that
// one who gets a signal cannot pass it on as if it were meant for another. Whoever carries it sees nothing but its length.
// The version names the suite of HPKE: 1 was ChaCha20Poly1305, which not every runtime can open.
const VERSION = 2;
const SIGNED = Buffer.from('rxp2p signal 1 ');
const SEALED = Buffer.from('rxp2p sealed signal 1');

/** A signal with what makes it unique and provable. */
export interface Envelope extends Signal {
  readonly from: PeerId;
  readonly to: PeerId;
  /** Unique for its sender. */
  readonly id: string;
  /** When it was sent, in milliseconds since the epoch, by the sender's clock. */
  readonly at: number;
  /** For how long it is of use, in milliseconds. */
  readonly keepMs: number;
  /** Its place among those that its sender sends to this receiver; `undefined` when it stands alone. */
  readonly order?: Order | undefined;
}

/** The longest id, kind, and name of a stream, in characters: they are remembered for minutes, and told. */
const MAX_NAME_LENGTH = 64;

/**
 * Signs a signal by its sender's key and seals it to its receiver's (RFC 9180).
 *
 * @param ephemeral a key pair for this signal alone; specs give a known one.
 * @throws ProtocolError when the receiver's peer id is none.
 */
export function sealEnvelope(identity: Identity, envelope: Omit<Envelope, 'from'>, ephemeral?: KeyObject): Buffer {
  const key = sealingKeyOf(envelope.to);
  if (key === undefined) throw new ProtocolError(`Expected a peer id to send a signal to, got ${show(envelope.to)}`);
  const json = Buffer.from(JSON.stringify({ ...envelope, from: identity.peerId }));
  const signed = Buffer.concat([identity.sign(Buffer.concat([SIGNED, json])), json]);
  return Buffer.concat([Buffer.from([VERSION]), seal(key, SEALED, signed, ephemeral)]);
}

/**
 * Opens a signal: `undefined` when it is malformed, of another version, not for this node, or not signed by whom it says it
 * is from. Never throws.
 */
export function openEnvelope(identity: Identity, bytes: Buffer): Envelope | undefined {
  const signed = bytes[0] === VERSION ? openSealed(identity.openingKey, SEALED, bytes.subarray(1)) : undefined;
  if (signed === undefined) return undefined;
  const json = signed.subarray(SIGNATURE_LENGTH);
  const { from, to, id, at, keepMs, kind, body, order } = parseJsonObject(json.toString('utf8')) ?? {};
  if (typeof from !== 'string' || !isName(id) || !isName(kind)) return undefined;
  if (to !== identity.peerId || !isTime(at) || !isTime(keepMs)) return undefined;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return undefined;
  const signature = signed.subarray(0, SIGNATURE_LENGTH);
  if (!verifySignature(from, Buffer.concat([SIGNED, json]), signature)) return undefined;
  const envelope = { from, to, id, at, keepMs, kind, body: { ...body } };
  if (order === undefined) return envelope;
  const read = readOrder(order);
  return read === undefined ? undefined : { ...envelope, order: read };
}

function readOrder(value: unknown): Order | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { stream, sequence, after }: { stream?: unknown; sequence?: unknown; after?: unknown } = value;
  if (!isName(stream) || !isCount(sequence)) return undefined;
  if (after === undefined) return { stream, sequence };
  return isCount(after) && after < sequence ? { stream, sequence, after } : undefined;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_NAME_LENGTH;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
