import { Gathered } from '../../bounds/gathered.js';
import { ProtocolError } from '../../errors.js';
import { decodeEnd, type End } from '../../link/handshake.js';
import { NAME_MAX_BYTES, parseJsonObject } from '../../validate.js';
import { RESET_MESSAGE_LENGTH } from '../close-reason.js';
import { PRIORITIES, type Priority } from './priority.js';

/**
 * The frames in the stream of a connection: `type u8 · length u24 · channel u32 · payload`, big-endian, one right after the other.
 *
 * Channel 0 is the connection's own, which is there from the beginning. The controlling side opens channels of even numbers, the
 * other of odd ones. A channel is over when each side has sent its `end` or its `reset`.
 */
export const CHANNEL_FRAME = {
  /** Bytes of the channel, within the credit that the receiver has given. */
  data: 0,
  /** Opens a channel: its priority and its name. */
  open: 1,
  /** Credit: the sender of this frame accepts the channel's bytes up to an offset. The first on a channel accepts the channel. */
  window: 2,
  /** The sender has more than the credit allows: the receiver may enlarge its window. */
  blocked: 3,
  /** The sender sends nothing more on the channel. */
  end: 4,
  /** The sender sends and reads nothing more on the channel. JSON: why. */
  reset: 5,
} as const;

/** A type that a channel's frame has. */
export type ChannelFrameType = (typeof CHANNEL_FRAME)[keyof typeof CHANNEL_FRAME];

/** The connection's own channel. */
export const OWN_CHANNEL = 0;

/** Channels are numbered below this. */
export const MAX_CHANNEL_ID = 2 ** 32;

/** How many bytes a side may send on a channel before the peer has given any credit. */
export const FIRST_WINDOW_BYTES = 65_536;

/** The longest payload of any frame but `data`, in bytes: they are small, and buffered whole. */
const CONTROL_MAX_BYTES = 1_024;

const HEADER_BYTES = 8;
const OFFSET_BYTES = 6;

/** What opens a channel. */
export interface Opening {
  readonly name: string;
  readonly priority: Priority;
}

/**
 * Why a channel was refused.
 *
 * - `unknown-name`: nobody accepts channels of this name.
 * - `too-many-channels`: the peer has as many open as the receiver allows, or has reset too many.
 * - `closing`: the receiver has closed the connection already.
 */
export type ChannelRefusal = (typeof REFUSALS)[number];

const REFUSALS = ['unknown-name', 'too-many-channels', 'closing'] as const;

/** Why a channel was reset: its code is `refused`, `reset`, or what was wrong. */
export interface Reset extends End {
  /** Why it was refused. A peer need not say. */
  readonly refusal?: ChannelRefusal | undefined;
}

/** Writes a frame's header: so many bytes of payload follow it. */
export function encodeChannelHeader(type: ChannelFrameType, channel: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32BE(type * 0x100_0000 + length);
  header.writeUInt32BE(channel, 4);
  return header;
}

/** Writes a whole frame. */
export function encodeChannelFrame(type: ChannelFrameType, channel: number, payload: Uint8Array = NOTHING): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  frame.writeUInt32BE(type * 0x100_0000 + payload.length);
  frame.writeUInt32BE(channel, 4);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/** Takes the frames of channels. */
export interface ChannelFrameTaker {
  onFrame(type: ChannelFrameType, channel: number, payload: Buffer): void;
}

/**
 * Cuts the stream of a connection into frames, whatever the chunks it arrives in. `data` frames are passed on in pieces as they
 * arrive, without copying; other frames whole.
 *
 * @example
 * const decoder = new ChannelFrameDecoder();
 * decoder.push(encodeChannelFrame(CHANNEL_FRAME.data, 2, Buffer.from('hello')), { onFrame: console.log });
 */
export class ChannelFrameDecoder {
  /** A header or a control frame that has not arrived completely. */
  #partial: Gathered | undefined;
  #dataLeft = 0;
  #dataChannel = 0;

  /**
   * Reads the next bytes, and hands over each frame as it is read.
   *
   * @throws ProtocolError for a frame of an unknown type, or one that is too long; and whatever the taker throws.
   */
  push(chunk: Buffer, taker: ChannelFrameTaker): void {
    let rest = chunk;
    const partial = this.#partial;
    if (partial !== undefined) {
      partial.push(chunk);
      if (partial.length < neededOf(partial.bytes)) return;
      rest = partial.take();
      this.#partial = undefined;
    }
    let at = 0;
    while (at < rest.length) {
      if (this.#dataLeft > 0) {
        const piece = at === 0 && this.#dataLeft >= rest.length ? rest : rest.subarray(at, at + this.#dataLeft);
        this.#dataLeft -= piece.length;
        at += piece.length;
        taker.onFrame(CHANNEL_FRAME.data, this.#dataChannel, piece);
        continue;
      }
      const needed = neededOf(rest, at);
      if (rest.length - at < needed) {
        this.#partial = new Gathered();
        this.#partial.push(rest.subarray(at));
        return;
      }
      const head = rest.readUInt32BE(at);
      const channel = rest.readUInt32BE(at + 4);
      const type = typeOf(head);
      if (type === CHANNEL_FRAME.data) {
        this.#dataLeft = head & LENGTH_MASK;
        this.#dataChannel = channel;
        // What is on no open channel is refused also where it has no bytes.
        if (this.#dataLeft === 0) taker.onFrame(type, channel, NOTHING);
      } else {
        taker.onFrame(type, channel, rest.subarray(at + HEADER_BYTES, at + needed));
      }
      at += needed;
    }
  }
}

const NOTHING = Buffer.alloc(0);
const LENGTH_MASK = 0xff_ffff;

/** How many bytes are needed to read on: a header, and for a control frame its payload too. */
function neededOf(bytes: Buffer, at = 0): number {
  if (bytes.length - at < HEADER_BYTES) return HEADER_BYTES;
  const head = bytes.readUInt32BE(at);
  if (typeOf(head) === CHANNEL_FRAME.data) return HEADER_BYTES;
  const length = head & LENGTH_MASK;
  if (length > CONTROL_MAX_BYTES)
    throw new ProtocolError(
      `Expected a frame of a channel's control of at most ${CONTROL_MAX_BYTES} bytes, got ${length}`,
    );
  return HEADER_BYTES + length;
}

function typeOf(head: number): ChannelFrameType {
  const type = head >>> 24;
  const known = TYPES[type];
  if (known === undefined) throw new ProtocolError(`Expected a channel's frame of a type up to 5, got ${type}`);
  return known;
}

const TYPES: readonly ChannelFrameType[] = Object.values(CHANNEL_FRAME);

/** Writes the payload of `open`. */
export function encodeOpening({ name, priority }: Opening): Buffer {
  return Buffer.concat([Buffer.from([PRIORITIES.indexOf(priority)]), Buffer.from(name)]);
}

/**
 * Reads the payload of `open`.
 *
 * @throws ProtocolError for a name that is too long or not UTF-8.
 */
export function decodeOpening(payload: Buffer): Opening {
  const priority = PRIORITIES[payload[0] ?? -1];
  if (priority === undefined) throw new ProtocolError('Expected a priority from 0 to 2 and a name, got something else');
  const bytes = payload.subarray(1);
  const name = bytes.toString('utf8');
  if (bytes.length > NAME_MAX_BYTES || !Buffer.from(name).equals(bytes))
    throw new ProtocolError(`Expected a channel's name of at most ${NAME_MAX_BYTES} bytes of UTF-8, got another`);
  return { name, priority };
}

/** Writes the payload of `window` and `blocked`. */
export function encodeLimit(offset: number): Buffer {
  const payload = Buffer.allocUnsafe(OFFSET_BYTES);
  payload.writeUIntBE(offset, 0, OFFSET_BYTES);
  return payload;
}

/**
 * Reads the payload of `window` and `blocked`.
 *
 * @throws ProtocolError
 */
export function decodeLimit(payload: Buffer): number {
  if (payload.length === OFFSET_BYTES) return payload.readUIntBE(0, OFFSET_BYTES);
  throw new ProtocolError(`Expected an offset of ${OFFSET_BYTES} bytes, got ${payload.length} bytes`);
}

/** Writes the payload of `reset`. */
export function encodeReset({ code, message, resetCode, refusal }: Reset): Buffer {
  return Buffer.from(JSON.stringify({ code, message: message.slice(0, RESET_MESSAGE_LENGTH), resetCode, refusal }));
}

/** Reads the payload of `reset`. Fields that cannot be read are left out: a malformed reset is still a reset. */
export function decodeReset(payload: Buffer): Reset {
  const fields = parseJsonObject(payload.toString('utf8')) ?? {};
  const end = decodeEnd(payload);
  const refusal = REFUSALS.find((known) => known === fields['refusal']);
  return {
    ...end,
    code: end.code === 'closed' ? 'reset' : end.code,
    message: 'message' in fields ? end.message : '',
    ...(refusal !== undefined && { refusal }),
  };
}
