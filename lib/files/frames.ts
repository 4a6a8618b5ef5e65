import { Gathered } from '../bounds/gathered.js';
import { ProtocolError } from '../errors.js';

// The frames of a transfer: one byte with the type, whose highest bit says that the payload is compressed, three with the payload's
// length, and the payload. Pure.

/** The types of frames. */
export const FILES_FRAME = {
  /** First, both: who is it? */
  hello: 1,
  /** The sender: what is there? */
  offer: 2,
  /** The sender: that was all. */
  offered: 3,
  /** The receiver: what has it in part or whole? */
  compare: 4,
  /** The sender: what that should be. */
  digests: 5,
  /** The receiver: from where files are to be sent that are not to be sent from their beginning. */
  plan: 6,
  /** The receiver: now send. */
  go: 7,
  /** The sender: a file begins. */
  file: 16,
  /** The sender: bytes of it. */
  content: 17,
  /** The sender: it is over, and this is its digest. */
  end: 18,
  /** The sender: several small files. */
  pack: 19,
  /** The sender: a file cannot be sent. */
  failed: 20,
  /** The sender: that was all. */
  sent: 21,
  /** The receiver: what has become of it. */
  done: 22,
} as const;

export type FilesFrameType = (typeof FILES_FRAME)[keyof typeof FILES_FRAME];

const HEADER_BYTES = 4;
const COMPRESSED = 0x80;

/** The longest payload, in bytes, before it is compressed. */
export const MAX_PAYLOAD_BYTES = 262_144;

const TYPES: readonly number[] = Object.values(FILES_FRAME);

const isType = (type: number): type is FilesFrameType => TYPES.includes(type);

/** A frame, or bytes of one with content, which come as they arrive. */
export interface FilesFrame {
  readonly type: FilesFrameType;
  /** Whether the payload has to be decompressed, to at most {@link MAX_PAYLOAD_BYTES}. */
  readonly isCompressed: boolean;
  readonly payload: Buffer;
}

/** Writes a frame's header. */
export function encodeHeader(type: FilesFrameType, length: number, isCompressed = false): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32BE(((isCompressed ? type | COMPRESSED : type) * 0x1_00_00_00 + length) >>> 0);
  return header;
}

/** Cuts a stream of bytes into frames, whatever the pieces it arrives in. */
export class FrameDecoder {
  readonly #gathered = new Gathered();
  #type: FilesFrameType | undefined;
  #isCompressed = false;
  /** How many bytes of the frame are still to come. */
  #left = 0;

  /** Whether the stream may end here. */
  get isBetweenFrames(): boolean {
    return this.#type === undefined && this.#gathered.length === 0;
  }

  /**
   * The frames that the bytes complete. Content that is not compressed comes in the pieces in which it arrives: views of `bytes`.
   *
   * @throws ProtocolError for a type that is none, and for a payload that is too long.
   */
  *push(bytes: Buffer): Generator<FilesFrame> {
    let at = 0;
    while (at < bytes.length) {
      if (this.#type === undefined) {
        const piece = bytes.subarray(at, at + HEADER_BYTES - this.#gathered.length);
        this.#gathered.push(piece);
        at += piece.length;
        if (this.#gathered.length < HEADER_BYTES) return;
        this.#begin(this.#gathered.take());
        if (this.#left === 0) yield this.#end(this.#gathered.take());
        continue;
      }
      const piece = bytes.subarray(at, at + this.#left);
      at += piece.length;
      this.#left -= piece.length;
      if (this.#type === FILES_FRAME.content && !this.#isCompressed) {
        yield this.#left === 0 ? this.#end(piece) : { type: this.#type, isCompressed: false, payload: piece };
        continue;
      }
      if (this.#left === 0 && this.#gathered.length === 0) {
        yield this.#end(piece);
        continue;
      }
      this.#gathered.push(piece);
      if (this.#left === 0) yield this.#end(this.#gathered.take());
    }
  }

  #begin(header: Buffer): void {
    const first = header.readUInt8(0);
    const type = first & ~COMPRESSED;
    if (!isType(type)) throw new ProtocolError(`Expected a frame of a transfer of files, got one of type ${type}`);
    this.#left = header.readUIntBE(1, 3);
    if (this.#left > MAX_PAYLOAD_BYTES)
      throw new ProtocolError(`Expected a frame of at most ${MAX_PAYLOAD_BYTES} bytes, got one of ${this.#left}`);
    this.#type = type;
    this.#isCompressed = first >= COMPRESSED;
  }

  #end(payload: Buffer): FilesFrame {
    const [type, isCompressed] = [this.#type ?? FILES_FRAME.content, this.#isCompressed];
    this.#type = undefined;
    return { type, isCompressed, payload };
  }
}
