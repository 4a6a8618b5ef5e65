import { Gathered } from '../bounds/gathered.js';
import { ProtocolError } from '../errors.js';

/**
 * The frames on a secured link: `type u8 · length u24 · payload`, big-endian, one right after the other.
 *
 * `data` carries a piece of the connection's byte stream. The other types are about the connection itself.
 */
export const FRAME = {
  data: 0,
  /** First in each direction, JSON: which connection this link belongs to. The version is agreed on before, by ALPN (tls.ts). */
  hello: 1,
  /** Last in each direction, JSON: why. */
  end: 2,
  /** The receiver sends the payload back in a `pong`. */
  ping: 3,
  pong: 4,
  /** The stream offset of the data that follow on this link, and the number of the controlling side's choice. */
  at: 5,
  /** The offset up to which the sender of this frame has received the other side's stream. */
  ack: 6,
  /** The sender sends no more data on this link; it goes on with another link. */
  leave: 7,
  /** Asks for the receiver's stream on this link, from an offset: the bytes from there on are missing. */
  resume: 8,
  /** The sender's locator as it is now, in text. */
  locator: 9,
} as const;

/** Types from here on may be skipped by a program that does not know them. */
const FIRST_OPTIONAL_TYPE = 128;

/** Header: the type and the length of the payload. */
const HEADER_LENGTH = 4;

/** The longest payload of any frame but `data`, in bytes: they are small, and buffered whole. */
const CONTROL_MAX_LENGTH = 16_384;

/** Data are written in frames of at most this many bytes, four TLS records. */
export const DATA_FRAME_BYTES = 65_536;

/** The longest payload of a `data` frame, by its format. */
export const DATA_MAX_LENGTH = 0xff_ffff;

/** A frame, or a piece of a `data` frame. */
export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

/** Writes a frame's header: the payload follows it. */
export function encodeHeader(type: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_LENGTH);
  header.writeUInt32BE(type * 0x100_0000 + length);
  return header;
}

/** Writes a whole frame. */
export function encodeFrame(type: number, payload: Uint8Array): Buffer {
  return Buffer.concat([encodeHeader(type, payload.length), payload]);
}

/**
 * Cuts a byte stream into frames, whatever the chunks it arrives in. A `data` frame is passed on in pieces as they arrive, without
 * copying; the others whole.
 *
 * @example
 * const decoder = new FrameDecoder();
 * socket.on('data', (chunk) => decoder.push(chunk).forEach(handle));
 */
export class FrameDecoder {
  /** A frame that has not arrived completely. */
  #partial: Gathered | undefined;
  #dataLeft = 0;

  /**
   * The frames, and pieces of `data` frames, that a chunk completes.
   *
   * @throws ProtocolError
   */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let bytes = chunk;
    const partial = this.#partial;
    if (partial !== undefined) {
      partial.push(chunk);
      if (partial.length < neededOf(partial.bytes, 0)) return frames;
      bytes = partial.take();
      this.#partial = undefined;
    }
    let at = 0;
    while (at < bytes.length) {
      if (this.#dataLeft > 0) {
        // Most often a chunk is one piece of data and nothing else: a view of it would be one more object for each.
        const payload = at === 0 && this.#dataLeft >= bytes.length ? bytes : bytes.subarray(at, at + this.#dataLeft);
        this.#dataLeft -= payload.length;
        at += payload.length;
        frames.push({ type: FRAME.data, payload });
        continue;
      }
      const needed = neededOf(bytes, at);
      if (bytes.length - at < needed) {
        this.#partial = new Gathered();
        this.#partial.push(bytes.subarray(at));
        break;
      }
      const head = bytes.readUInt32BE(at);
      const type = head >>> 24;
      if (type === FRAME.data) this.#dataLeft = head & DATA_MAX_LENGTH;
      else if (type < FIRST_OPTIONAL_TYPE)
        frames.push({ type, payload: bytes.subarray(at + HEADER_LENGTH, at + needed) });
      at += needed;
    }
    return frames;
  }
}

/**
 * How many bytes are needed to read on: a header, and for a control frame its payload too.
 *
 * @throws ProtocolError for a control frame of an unknown type, or one that is too long.
 */
function neededOf(bytes: Buffer, at: number): number {
  if (bytes.length - at < HEADER_LENGTH) return HEADER_LENGTH;
  const head = bytes.readUInt32BE(at);
  const type = head >>> 24;
  if (type === FRAME.data) return HEADER_LENGTH;
  const length = head & DATA_MAX_LENGTH;
  expectControl(type, length);
  return HEADER_LENGTH + length;
}

function expectControl(type: number, length: number): void {
  if (type > FRAME.locator && type < FIRST_OPTIONAL_TYPE) {
    throw new ProtocolError(`Expected a frame type up to ${FRAME.locator}, got ${type}`);
  }
  if (length > CONTROL_MAX_LENGTH) {
    throw new ProtocolError(`Expected a control frame of at most ${CONTROL_MAX_LENGTH} bytes, got ${length}`);
  }
}

/** An offset has 48 bits: more than any stream has bytes. */
const OFFSET_LENGTH = 6;

/** The offset of the data that follow, and the number of the controlling side's choice. */
export interface At {
  /** Counts the links that the controlling side has chosen. */
  readonly choice: number;
  readonly offset: number;
}

/** Writes the payload of `ack` and `resume`. */
export function encodeOffset(offset: number): Buffer {
  const payload = Buffer.allocUnsafe(OFFSET_LENGTH);
  payload.writeUIntBE(offset, 0, OFFSET_LENGTH);
  return payload;
}

/**
 * Reads the payload of `ack` and `resume`.
 *
 * @throws ProtocolError
 */
export function decodeOffset(payload: Buffer): number {
  if (payload.length === OFFSET_LENGTH) return offsetIn(payload, 0);
  throw new ProtocolError(`Expected an offset of ${OFFSET_LENGTH} bytes, got ${payload.length} bytes`);
}

/** Writes the payload of `at`. */
export function encodeAt({ choice, offset }: At): Buffer {
  const payload = Buffer.allocUnsafe(4 + OFFSET_LENGTH);
  payload.writeUInt32BE(choice);
  payload.writeUIntBE(offset, 4, OFFSET_LENGTH);
  return payload;
}

/**
 * Reads the payload of `at`.
 *
 * @throws ProtocolError
 */
export function decodeAt(payload: Buffer): At {
  if (payload.length !== 4 + OFFSET_LENGTH)
    throw new ProtocolError(`Expected an \`at\` of ${4 + OFFSET_LENGTH} bytes, got ${payload.length} bytes`);
  return { choice: payload.readUInt32BE(), offset: offsetIn(payload, 4) };
}

/** `readUIntBE` would make a floating-point number of each, which takes sixteen bytes wherever it is kept. */
function offsetIn(payload: Buffer, at: number): number {
  const high = payload.readUInt16BE(at);
  const low = payload.readUInt32BE(at + 2);
  return high === 0 ? low : high * 2 ** 32 + low;
}
