import { isUtf8 } from 'node:buffer';
import { InvalidMessageError } from '../errors.js';
import { HEADER_BYTES, KIND, PRESENCE_BYTES, type SignedMessage } from './author/message.js';
import type { RoomMessage } from './interface.js';

/** Whether a message is of the application's. */
export function isContent({ kind }: SignedMessage): boolean {
  return kind === KIND.text || kind === KIND.bytes;
}

/** Whether a message is what its kind says; those of later versions are. */
export function isWellFormed({ kind, payload }: SignedMessage): boolean {
  if (kind === KIND.leave) return HEADER_BYTES + payload.length <= PRESENCE_BYTES;
  return kind !== KIND.text || isUtf8(payload);
}

/** A message as the application gets it. */
export function contentOf(signed: SignedMessage, hops: number, isPast: boolean): RoomMessage {
  const { author, at, kind, payload } = signed;
  const isText = kind === KIND.text;
  return { from: author, text: isText ? payload.toString() : '', bytes: payload, isText, at, hops, isPast };
}

/** @throws InvalidMessageError for a text that cannot be said. */
export function textPayload(text: string, mostBytes: number): Buffer {
  if (typeof text !== 'string' || !text.isWellFormed())
    throw new InvalidMessageError('Expected a text for the room, with whole characters');
  return expectShort(Buffer.from(text), mostBytes);
}

/** @throws InvalidMessageError for bytes that cannot be said. */
export function bytesPayload(bytes: Uint8Array, mostBytes: number): Buffer {
  if (!(bytes instanceof Uint8Array)) throw new InvalidMessageError('Expected a Uint8Array for the room');
  return expectShort(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), mostBytes);
}

function expectShort(payload: Buffer, mostBytes: number): Buffer {
  if (payload.length <= mostBytes) return payload;
  throw new InvalidMessageError(`Expected at most ${mostBytes} bytes for the room, got ${payload.length}`);
}
