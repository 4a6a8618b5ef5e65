import { Gathered } from '../bounds/gathered.js';
import { ownBytes } from '../bounds/own-bytes.js';
import { MessageTooLongError } from '../errors.js';

/** Before each message its length, in bytes: u32, big-endian. */
export const LENGTH_BYTES = 4;

/** No message can be longer, by its format. */
export const MESSAGE_LENGTH_MAX = 2 ** 32 - 1;

/** Cuts a byte stream into what it is made of, lines or messages. */
export interface Decoder<T> {
  /** What this chunk completes. */
  push(chunk: Buffer): T[];
  /** The stream is at its end: what is left, where that is whole. */
  end(): T[];
  /** What is wrong with the stream behind all that was returned so far, if anything is. Nothing can be read any more then. */
  readonly fault: Error | undefined;
}

/** Writes what goes before a message. */
export function encodeLength(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES);
  bytes.writeUInt32BE(length);
  return bytes;
}

/** A message for somebody who may keep it: a short one of Node's pool, which is faster than memory of its own. */
function ownMessage(view: Buffer): Buffer {
  return view.length < POOLED_BYTES ? Buffer.from(view) : ownBytes(view);
}

/** Messages below this length are taken from Node's pool, in bytes: it has 8 KiB. */
const POOLED_BYTES = 2_048;

/**
 * Cuts bytes into messages, however they were chunked on their way.
 *
 * @param maxLength the longest message allowed, in bytes.
 *
 * @example
 * const decoder = messageDecoder(1_048_576);
 * decoder.push(Buffer.from([0, 0, 0, 2, 1, 2, 0, 0])); // [<Buffer 01 02>]
 */
export function messageDecoder(maxLength: number): Decoder<Buffer> {
  // Of the message that is not complete yet, with its length.
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
    // What is left of a message is none.
    end: () => [],
  };
}
