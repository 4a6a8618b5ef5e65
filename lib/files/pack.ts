import { ProtocolError } from '../errors.js';
import { digestOfSmall } from './digests.js';
import { MAX_PAYLOAD_BYTES } from './frames.js';
import { DIGEST_BYTES } from './messages.js';

// A pack: small files, one after the other, each with its place in the offer (4 bytes), its length (4), its digest (32) and its content. Pure.

const LENGTH_AT = 4;
const DIGEST_AT = 8;
const CONTENT_AT = DIGEST_AT + DIGEST_BYTES;

/** A small file as it has come. */
export interface PackedFile {
  readonly index: number;
  readonly digest: Buffer;
  readonly content: Buffer;
}

/**
 * Writes small files into one payload. Their contents are read to where they are sent from: of thousands of buffers, each for one file, most
 * would wait to be collected as garbage.
 */
export class Pack {
  readonly #bytes = Buffer.allocUnsafeSlow(MAX_PAYLOAD_BYTES);
  #length = 0;

  /** How long it is, in bytes. */
  get length(): number {
    return this.#length;
  }

  /** Whether a file of so many bytes goes into it. */
  hasRoomFor(size: number): boolean {
    return this.#length + CONTENT_AT + size <= MAX_PAYLOAD_BYTES;
  }

  /**
   * Adds a file of so many bytes.
   *
   * @param read puts its content into a buffer; returns why it cannot, and then the file is left out.
   */
  add(index: number, size: number, read: (content: Buffer) => string | undefined): string | undefined {
    const file = this.#bytes.subarray(this.#length, this.#length + CONTENT_AT + size);
    const content = file.subarray(CONTENT_AT);
    const reason = read(content);
    if (reason !== undefined) return reason;
    file.writeUInt32BE(index, 0);
    file.writeUInt32BE(size, LENGTH_AT);
    digestOfSmall(content).copy(file, DIGEST_AT);
    this.#length += file.length;
    return undefined;
  }

  /** Takes what has been added, and begins anew. The bytes are valid until the next file is added. */
  take(): Buffer {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return bytes;
  }
}

/**
 * Reads the small files of a pack. Their contents are views of it.
 *
 * @throws ProtocolError
 */
export function* decodePack(payload: Buffer): Generator<PackedFile> {
  for (let at = 0; at < payload.length;) {
    if (payload.length - at < CONTENT_AT) throw new ProtocolError('Expected a small file, got a part of one');
    const length = payload.readUInt32BE(at + LENGTH_AT);
    const begin = at + CONTENT_AT;
    if (payload.length - begin < length) throw new ProtocolError('Expected a small file, got a part of one');
    yield {
      index: payload.readUInt32BE(at),
      digest: payload.subarray(at + DIGEST_AT, begin),
      content: payload.subarray(begin, begin + length),
    };
    at = begin + length;
  }
}
