import { Gathered } from '../bounds/gathered.js';
import { ownBytes } from '../bounds/own-bytes.js';
import { MessageTooLongError } from '../errors.js';

/** Before each message its length, in bytes: u32, big-endian. */
const LENGTH_BYTES = 4;

/** Cuts a byte stream into lines, or into messages. */
export interface Decoder<T> {
  /** The items that this chunk completes. */
  push(chunk: Buffer): T[];
  /** The stream has ended: returns the items that are left and whole. */
  end(): T[];
  /** The error in the stream after the items returned so far, if there is one; nothing can be read after it. */
  readonly fault: Error | undefined;
  /** How many bytes it holds of an item that has begun. */
  readonly begun: number;
}

/**
 * A message that the application may keep. A short one is a view of what a socket has read, if that is little; else it is copied, so
 * that a few bytes do not keep a large buffer.
 */
function ownMessage(view: Buffer): Buffer {
  return view.buffer.byteLength <= READ_BYTES ? view : ownBytes(view);
}

/** What a TLS socket reads at once, at most: a record (RFC 8446 §5.1). */
const READ_BYTES = 16_384;

/**
 * Cuts bytes into messages, whatever the chunks they arrive in.
 *
 * @param maxLength the longest message allowed, in bytes.
 *
 * @example
 * const decoder = messageDecoder(1_048_576);
 * decoder.push(Buffer.from([0, 0, 0, 2, 1, 2, 0, 0])); // [<Buffer 01 02>]
 */
export function messageDecoder(maxLength: number): Decoder<Buffer> {
  // A message that has not arrived completely, with its length.
  const partial = new Gathered();
  let needed = LENGTH_BYTES;
  let fault: MessageTooLongError | undefined;

  /** How many bytes the message takes whose length stands there. */
  const neededOf = (bytes: Buffer, at: number) => {
    const length = bytes.readUInt32BE(at);
    if (length > maxLength) fault = new MessageTooLongError(maxLength);
    return LENGTH_BYTES + length;
  };

  return {
    get fault() {
      return fault;
    },
    get begun() {
      return partial.length;
    },
    push(chunk) {
      const messages: Buffer[] = [];
      let at = 0;
      // Only the message that has begun before this chunk is joined.
      while (partial.length > 0 && at < chunk.length) {
        const piece = chunk.subarray(at, at + needed - partial.length);
        partial.push(piece);
        at += piece.length;
        if (partial.length < needed) return messages;
        if (needed === LENGTH_BYTES) needed = neededOf(partial.bytes, 0);
        if (fault !== undefined) return messages;
        if (partial.length === needed) messages.push(ownMessage(partial.take().subarray(LENGTH_BYTES)));
      }
      if (partial.length > 0) return messages;
      while (chunk.length - at >= LENGTH_BYTES) {
        needed = neededOf(chunk, at);
        if (fault !== undefined) return messages;
        if (chunk.length - at < needed) break;
        messages.push(ownMessage(chunk.subarray(at + LENGTH_BYTES, at + needed)));
        at += needed;
      }
      if (chunk.length - at < LENGTH_BYTES) needed = LENGTH_BYTES;
      if (at < chunk.length) partial.push(chunk.subarray(at));
      return messages;
    },
    // Part of a message is not a message.
    end: () => [],
  };
}
