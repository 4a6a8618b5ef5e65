import { isAscii, isUtf8 } from 'node:buffer';
import { InvalidTextError, LineTooLongError, ProtocolError } from '../errors.js';
import { show } from '../validate.js';

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** A line that arrives in ever so small pieces is put together now and then, so that it costs no more than its bytes. */
const MAX_PIECES = 1000;

/** Cuts a byte stream into lines. */
export interface LineDecoder {
  /** The lines that this chunk completes. */
  push(chunk: Buffer): string[];
  /** The stream is at its end: a last line that no newline ended, if there is one. */
  end(): string[];
}

/**
 * Cuts UTF-8 into lines, however the bytes were chunked on their way. A line ends at `\n`; one `\r` before it is dropped.
 *
 * @param maxLength the longest line allowed, in bytes without its end.
 * @throws LineTooLongError as soon as a line is longer, before it is complete.
 * @throws ProtocolError when the bytes are no UTF-8.
 *
 * @example
 * const decoder = lineDecoder(1_048_576);
 * decoder.push(Buffer.from('one\r\ntwo\nthr')); // ['one', 'two']
 * decoder.end(); // ['thr']
 */
export function lineDecoder(maxLength: number): LineDecoder {
  // Pieces of the line that is not complete yet.
  const partial: Buffer[] = [];
  let partialLength = 0;

  const keep = (rest: Buffer) => {
    if (rest.length === 0) return;
    // A `\r` may still turn out to belong to the line's end.
    if (partialLength + rest.length > maxLength + 1) throw new LineTooLongError(maxLength);
    partialLength += rest.length;
    if (partial.push(rest) > MAX_PIECES) partial.splice(0, partial.length, Buffer.concat(partial));
  };

  const takeWith = (chunk: Buffer): Buffer => {
    if (partialLength === 0) return chunk;
    const whole = Buffer.concat([...partial, chunk]);
    partial.length = partialLength = 0;
    return whole;
  };

  return {
    push(chunk) {
      const lastNewline = chunk.lastIndexOf(NEWLINE);
      if (lastNewline < 0) {
        keep(chunk);
        return [];
      }
      const lines = decode(takeWith(chunk.subarray(0, lastNewline)), maxLength);
      keep(chunk.subarray(lastNewline + 1));
      return lines;
    },
    end() {
      return partialLength === 0 ? [] : decode(takeWith(Buffer.alloc(0)), maxLength);
    },
  };
}

/** Whole lines between newlines. A newline is never part of a longer UTF-8 sequence, so they can be decoded at once. */
function decode(bytes: Buffer, maxLength: number): string[] {
  if (!isUtf8(bytes)) throw new ProtocolError('Expected lines in UTF-8, got other bytes');
  // Most text is ASCII, which is several times faster to decode.
  const text = bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8');
  const lines = text.split('\n');
  const mayBeTooLong = bytes.length > maxLength;
  const hasReturns = bytes.includes(CARRIAGE_RETURN);
  if (!mayBeTooLong && !hasReturns) return lines;
  return lines.map((line) => {
    const whole = line.endsWith('\r') ? line.slice(0, -1) : line;
    if (mayBeTooLong && Buffer.byteLength(whole) > maxLength) throw new LineTooLongError(maxLength);
    return whole;
  });
}

/**
 * Checks that a text can travel as one line and arrive as it is.
 *
 * @throws InvalidTextError when it holds a line break, ends in `\r` (which a reader would drop), is longer than
 * `maxLength` bytes, or has half of a surrogate pair, which UTF-8 cannot carry.
 */
export function expectLine(text: string, maxLength: number): void {
  if (typeof text !== 'string') throw new InvalidTextError(`Expected a text, got ${show(text)}`);
  if (text.includes('\n') || text.endsWith('\r')) {
    throw new InvalidTextError(`Expected one line without its line break, got ${show(text)}`);
  }
  // No character takes more than 3 bytes for each unit of its length, so that most texts need not be measured.
  if (text.length * 3 > maxLength && Buffer.byteLength(text) > maxLength) {
    throw new InvalidTextError(`Expected a line of at most ${maxLength} bytes, got ${Buffer.byteLength(text)}`);
  }
  if (!text.isWellFormed()) throw new InvalidTextError(`Expected well-formed Unicode, got ${show(text)}`);
}
