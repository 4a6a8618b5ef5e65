import { ownBytes } from '../../bounds/own-bytes.js';
import { ProtocolError } from '../../errors.js';
import { MESSAGE_PACK } from '../../remote/messagepack.js';
import { KIND, PRESENCE_BYTES, readMessage } from '../author/message.js';
import type { BroadcastMessage } from '../broadcast/messages.js';
import type { OverlayMessage } from '../overlay/messages.js';
import { BROADCAST_KIND, broadcastFields, readBroadcast } from './broadcast.js';
import { bytesIn, listIn } from './fields.js';
import { ENTRY_KIND, entryFields, readEntry, type EntryMessage } from './hello.js';
import { OVERLAY_KIND, overlayFields, readOverlay } from './overlay.js';

/** Who is in the room: what members have last said of their being there, each signed by that member. */
export interface Presence {
  readonly type: 'presence';
  /** {@link MAX_PRESENCE} at most. */
  readonly messages: readonly Buffer[];
}

/** What one {@link Presence} holds at most. */
export const MAX_PRESENCE = 64;

const PRESENCE_KIND = 48;

/** MessagePack puts so many bytes in front of each record. */
const RECORD_HEAD_BYTES = 2;

/** Divides records among messages, each of so many bytes at most, unless a single record is longer. */
export function presencesOf(records: readonly Buffer[], mostBytes: number): readonly Presence[] {
  const parts: Buffer[][] = [];
  let bytes = 0;
  for (const record of records) {
    const last = parts.at(-1);
    bytes += RECORD_HEAD_BYTES + record.length;
    if (last !== undefined && last.length < MAX_PRESENCE && bytes <= mostBytes) last.push(record);
    else {
      parts.push([record]);
      bytes = RECORD_HEAD_BYTES + record.length;
    }
  }
  return parts.map((messages) => ({ type: 'presence', messages }));
}

/** What neighbours say to each other on the channel of a room. */
export type WireMessage = EntryMessage | OverlayMessage | BroadcastMessage | Presence;

/** The bytes of a message: a list in MessagePack, of which the first item is its kind. */
export function encodeWireMessage(message: WireMessage): Uint8Array {
  return MESSAGE_PACK.encode(fieldsOf(message));
}

/**
 * Reads a message.
 *
 * @returns `undefined` for a kind of a newer version.
 * @throws ProtocolError for anything else that no member sends.
 */
export function decodeWireMessage(bytes: Uint8Array): WireMessage | undefined {
  const fields = decodeList(bytes);
  const [kind, first] = fields;
  if (typeof kind !== 'number')
    throw new ProtocolError('Expected the first field of a message of a room to be a number');
  if (kind === PRESENCE_KIND) return { type: 'presence', messages: listIn(first, MAX_PRESENCE, presenceIn) };
  return readBroadcast(kind, fields) ?? readOverlay(kind, fields) ?? readEntry(kind, fields);
}

function fieldsOf(message: WireMessage): readonly unknown[] {
  if (message.type === 'presence') return [PRESENCE_KIND, message.messages];
  if (isBroadcast(message)) return broadcastFields(message);
  return isEntry(message) ? entryFields(message) : overlayFields(message);
}

/** Whether a message is of the broadcast. */
export function isBroadcast(message: WireMessage): message is BroadcastMessage {
  return message.type in BROADCAST_KIND;
}

/** Whether a message is of those that come before two are neighbours. */
export function isEntry(message: WireMessage): message is EntryMessage {
  return message.type in ENTRY_KIND;
}

/** Whether a message is of the overlay. */
export function isOverlay(message: WireMessage): message is OverlayMessage {
  return message.type in OVERLAY_KIND;
}

function presenceIn(value: unknown): Buffer {
  const read = bytesIn(value);
  if (read.length > PRESENCE_BYTES) throw new ProtocolError(`Expected a record of at most ${PRESENCE_BYTES} bytes`);
  // It is kept for as long as the member is there.
  const bytes = ownBytes(read);
  if (readMessage(bytes).kind !== KIND.here)
    throw new ProtocolError('Expected a record of who is there, got another message');
  return bytes;
}

function decodeList(bytes: Uint8Array): readonly unknown[] {
  let value: unknown;
  try {
    value = MESSAGE_PACK.decode(bytes);
  } catch {
    throw new ProtocolError('Expected a message of a room in MessagePack, got other bytes');
  }
  if (!Array.isArray(value)) throw new ProtocolError('Expected a message of a room to be a list');
  return value.map((each: unknown) => each);
}
