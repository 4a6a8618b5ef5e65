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
}

/** Writes the length that goes before a message. */
export function encodeLength(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES);
  bytes.writeUInt32BE(length);
  return bytes;
}

/** Copies a message, since the application may keep it. A short copy is taken from Node's pool, which is faster to allocate. */
function ownMessage(view: Buffer): Buffer {
  return view.length < POOLED_BYTES ? Buffer.from(view) : ownBytes(view);
}

/** Messages below this length are taken from Node's pool, in bytes: it has 8 KiB. */
const POOLED_BYTES = 2_048;

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

  return {
    get fault() {
      return fault;
    },
    push(chunk) {
      const messages: Buffer[] = [];
      let rest = chunk;
      if (partial.length > 0) {
        partial.push(chunk);
        if (partial.length < needed) return messages;
        rest = partial.take();
      }
      while (fault === undefined) {
        needed = LENGTH_BYTES;
        if (rest.length >= LENGTH_BYTES) {
          const length = rest.readUInt32BE();
          if (length > maxLength) {
            fault = new MessageTooLongError(maxLength);
            break;
          }
          needed += length;
          if (rest.length >= needed) {
            messages.push(ownMessage(rest.subarray(LENGTH_BYTES, needed)));
            rest = rest.subarray(needed);
            continue;
          }
        }
        if (rest.length > 0) partial.push(rest);
        break;
      }
      return messages;
    },
    // Part of a message is not a message.
    end: () => [],
  };
}
