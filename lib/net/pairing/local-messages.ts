import { createHash } from 'node:crypto';
import { MOST_SLOT } from '../../pairing/code.js';
import { PAIRING_MESSAGE_MAX_BYTES } from '../../pairing/messages.js';
import type { Signal } from '../../signalling/signalling.js';
import { decodeBase64Url, isId } from '../../validate.js';

// What two nodes of one local network say to each other to meet by a code, as signals:
//
//   pair          { slot, try, message }    from the node that has typed a code with that number
//   pair-answer   { try, message }          from the node that shows it
//
// Messages are those of `lib/pairing/messages.ts`, in base64url.

const MESSAGE_MAX_LENGTH = Math.ceil((PAIRING_MESSAGE_MAX_BYTES * 4) / 3);

/** A message of the node that has typed a code. */
export interface LocalTry {
  readonly slot: number;
  /** The id of the try. */
  readonly id: string;
  readonly message: Buffer;
}

/** The topic under which the node that shows a code is found on the local network. The number is no secret. */
export function topicOfSlot(slot: number): Buffer {
  return createHash('sha256').update(`rxp2p pairing 1 slot ${slot}`).digest();
}

/** Writes what the node that has typed a code says. */
export function trySignal({ slot, id, message }: LocalTry): Signal {
  return { kind: 'pair', body: { slot, try: id, message: message.toString('base64url') } };
}

/** Reads it: `undefined` for any other signal, and for one that is malformed. Never throws. */
export function readTry({ kind, body }: Signal): LocalTry | undefined {
  const { slot, try: id } = body;
  if (kind !== 'pair' || !isSlot(slot) || !isId(id)) return undefined;
  const message = messageIn(body);
  return message && { slot, id, message };
}

/** Writes what the node that shows a code answers. */
export function answerSignal({ id, message }: Omit<LocalTry, 'slot'>): Signal {
  return { kind: 'pair-answer', body: { try: id, message: message.toString('base64url') } };
}

/** Reads the answer: `undefined` for any other signal, and for one that is malformed. Never throws. */
export function readAnswer({ kind, body }: Signal): Omit<LocalTry, 'slot'> | undefined {
  const { try: id } = body;
  if (kind !== 'pair-answer' || !isId(id)) return undefined;
  const message = messageIn(body);
  return message && { id, message };
}

function messageIn({ message }: Signal['body']): Buffer | undefined {
  if (typeof message !== 'string' || message === '' || message.length > MESSAGE_MAX_LENGTH) return undefined;
  return decodeBase64Url(message);
}

function isSlot(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MOST_SLOT;
}
