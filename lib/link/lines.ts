import { isAscii, isUtf8 } from 'node:buffer';
import { Gathered } from '../bounds/gathered.js';
import { InvalidTextError, LineTooLongError, ProtocolError } from '../errors.js';
import { show } from '../validate.js';

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Cuts a byte stream into lines. */
export interface LineDecoder {
  /** The lines that this chunk completes. */
  push(chunk: Buffer): string[];
  /** The stream has ended: returns a last line without a newline, if there is one. */
  end(): string[];
  /**
   * The error in the stream after the lines returned so far, if there is one; nothing can be read after it. LineTooLongError as soon as
   * a line is longer than allowed, even before it is complete; ProtocolError for bytes that are not UTF-8.
   */
  readonly fault: LineTooLongError | ProtocolError | undefined;
  /** The bytes of a line that has begun and is not complete yet. */
  readonly begun: number;
}

/**
 * Cuts UTF-8 into lines, whatever the chunks it arrives in. A line ends at `\n`; each `\r` before that is dropped, so that every line
 * that was received can be sent on.
 *
 * @param maxLength the longest line allowed, in bytes without its end.
 *
 * @example
 * const decoder = lineDecoder(1_048_576);
 * decoder.push(Buffer.from('one\r\ntwo\nthr')); // ['one', 'two']
 * decoder.end(); // ['thr']
 */
export function lineDecoder(maxLength: number): LineDecoder {
  return new Decoder(maxLength);
}

/** A server has one for each client: between lines it keeps nothing but these fields. */
class Decoder implements LineDecoder {
  fault: LineDecoder['fault'];
  /** A line that has not arrived completely. */
  #partial: Gathered | undefined;

  constructor(readonly maxLength: number) {}

  get begun(): number {
    return this.#partial?.length ?? 0;
  }

  push(chunk: Buffer): string[] {
    if (this.fault !== undefined) return [];
    const lastNewline = chunk.lastIndexOf(NEWLINE);
    if (lastNewline < 0) {
      this.#keep(chunk);
      return [];
    }
    const lines =
      this.#partial === undefined
        ? this.#decode(chunk.subarray(0, lastNewline))
        : this.#decodeWith(this.#partial, chunk, lastNewline);
    if (lastNewline + 1 < chunk.length) this.#keep(chunk.subarray(lastNewline + 1));
    return lines;
  }

  end(): string[] {
    const partial = this.#partial;
    if (partial === undefined || this.fault !== undefined) return [];
    this.#partial = undefined;
    return this.#decode(partial.take());
  }

  #keep(rest: Buffer): void {
    if (rest.length === 0) return;
    this.#partial ??= new Gathered();
    // A `\r` may still turn out to belong to the line's end.
    if (this.#partial.length + rest.length > this.maxLength + 1) this.fault ??= new LineTooLongError(this.maxLength);
    else this.#partial.push(rest);
  }

  /** The line that has begun before this chunk, and those after it: only that one is joined, so that the rest is not copied. */
  #decodeWith(partial: Gathered, chunk: Buffer, lastNewline: number): string[] {
    this.#partial = undefined;
    const firstNewline = chunk.indexOf(NEWLINE);
    partial.push(chunk.subarray(0, firstNewline));
    const first = this.#decode(partial.take());
    if (this.fault !== undefined || firstNewline === lastNewline) return first;
    return first.concat(this.#decode(chunk.subarray(firstNewline + 1, lastNewline)));
  }

  /** Whole lines between newlines. A newline is never part of a longer UTF-8 sequence, so they are decoded at once. */
  #decode(bytes: Buffer): string[] {
    const { maxLength } = this;
    // Most text is ASCII, which is several times faster to decode.
    const isPlain = isAscii(bytes);
    if (!isPlain && !isUtf8(bytes)) {
      this.fault ??= new ProtocolError('Expected lines in UTF-8, got other bytes');
      // The lines before are whole, however they were chunked with the one that is not.
      const end = endOfLastLineBefore(bytes);
      return end < 0 ? [] : this.#decode(bytes.subarray(0, end));
    }
    const received = bytes.toString(isPlain ? 'latin1' : 'utf8').split('\n');
    const lines = bytes.includes(CARRIAGE_RETURN) ? received.map(withoutReturns) : received;
    if (bytes.length <= maxLength) return lines;
    // As `keep` would have it if they had come in more chunks: of each line one `\r` does not count.
    const tooLong = lines.findIndex(
      (line, index) => Buffer.byteLength(line) > maxLength || Buffer.byteLength(received[index] ?? '') > maxLength + 1,
    );
    if (tooLong < 0) return lines;
    this.fault ??= new LineTooLongError(maxLength);
    return lines.slice(0, tooLong);
  }
}

/** Removes each `\r` at a line's end. A regular expression would start again at each `\r` within the line. */
function withoutReturns(line: string): string {
  let { length } = line;
  while (line.charCodeAt(length - 1) === CARRIAGE_RETURN) length--;
  return line.slice(0, length);
}

/** The end of the last line before the first one that is not UTF-8; -1 when there is none before it. */
function endOfLastLineBefore(bytes: Buffer): number {
  let end = -1;
  for (;;) {
    const next = bytes.indexOf(NEWLINE, end + 1);
    if (next < 0 || !isUtf8(bytes.subarray(end + 1, next))) return end;
    end = next;
  }
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
