import { ProtocolError } from '../../../lib/errors.js';

// What Redis answers: RESP3. Each value begins with a line: a type, and the value itself, or how long it is. Here values are only told from
// each other, and bounded; the client reads what they say.

/** The longest line, in bytes: an error, or a status. */
const MAX_LINE = 65_536;

/** The longest text of a value, in bytes: messages and entries are far shorter. */
const MAX_TEXT = 4 * 1_048_576;

/** An answer as a whole, in bytes and in values: the slots of a large cluster, or a full list from a mailbox. */
const [MAX_BYTES, MAX_VALUES] = [32 * 1_048_576, 1_000_000];

/** Values in values: three are what is asked for. */
const MAX_DEPTH = 8;

/** So many of the first values of an answer are told of, and texts of so many bytes. */
const [TOLD, TOLD_BYTES] = [4, 32];

/** A value as it begins: its type (`+-:$*_#,(!=%~>`, of a null always `_`), and its text where that is short. */
export interface RespValue {
  readonly type: string;
  readonly text: string;
}

/** One whole answer. */
export interface RespAnswer extends RespValue {
  /** The first few values in it. */
  readonly values: readonly RespValue[];
  /** How many values are directly in it. */
  readonly count: number;
}

/** What may stand behind a type in its line, where that is a value by itself. */
const SCALARS: Readonly<Record<string, RegExp>> = {
  '+': /^/,
  '-': /^/,
  ':': /^[+-]?\d{1,19}$/,
  '#': /^[tf]$/,
  ',': /^[+-]?[0-9a-z.+-]{1,64}$/i,
  '(': /^[+-]?\d{1,1000}$/,
  _: /^$/,
};

/** Tells one answer from the next in what comes on a connection, in whatever pieces. Takes no more than linear time, and keeps no text. */
export class RespReader {
  /** The pieces of a line that has not ended yet. */
  readonly #line: Buffer[] = [];
  #lineLength = 0;
  /** How many bytes of a text are still to come, with its CRLF. */
  #textLeft = 0;
  /** The first bytes of that text, where they are told. */
  #text: { readonly type: string; readonly isTold: boolean; told: string; before: number } | undefined;
  /** How many values are still to come in each of the values that are open. */
  readonly #open: number[] = [];
  #answer: (RespAnswer & { readonly values: RespValue[] }) | undefined;
  #bytes = 0;
  #values = 0;

  /** @param answered is called with each answer once it is whole. */
  constructor(readonly answered: (answer: RespAnswer) => void) {}

  /**
   * Takes bytes. Returns how many of them belong to answers that are whole now; the rest to one that is not.
   *
   * @throws ProtocolError when they are no answer, or one that is too long; and what `answered` throws. Nothing may follow that.
   */
  push(chunk: Buffer): number {
    let whole = 0;
    for (let at = 0; at < chunk.length;) {
      const length = this.#textLeft > 0 ? this.#pushText(chunk, at) : this.#pushLine(chunk, at);
      at += length;
      if (this.#values === 0 && this.#lineLength === 0) whole = at;
      else this.#bytes += length;
      if (this.#bytes > MAX_BYTES) throw new ProtocolError('An answer is too long');
    }
    return whole;
  }

  #pushText(chunk: Buffer, at: number): number {
    const piece = chunk.subarray(at, at + this.#textLeft);
    this.#textLeft -= piece.length;
    const text = this.#text;
    if (text === undefined) return piece.length;
    if (text.isTold) text.told += piece.toString('latin1');
    // The last two bytes, wherever they were cut.
    for (let left = Math.min(2, piece.length); left > 0; left--) {
      text.before = ((text.before << 8) | (piece[piece.length - left] ?? 0)) & 0xffff;
    }
    if (this.#textLeft > 0) return piece.length;
    if (text.before !== CRLF) throw new ProtocolError('Expected a text to end where it was said to');
    this.#text = undefined;
    this.#value({ type: text.type, text: text.told.slice(0, -2) });
    return piece.length;
  }

  #pushLine(chunk: Buffer, at: number): number {
    const end = chunk.indexOf(0x0a, at);
    const piece = chunk.subarray(at, end < 0 ? chunk.length : end + 1);
    this.#lineLength += piece.length;
    if (this.#lineLength > MAX_LINE) throw new ProtocolError('A line is too long');
    this.#line.push(piece);
    if (end < 0) return piece.length;
    const line = Buffer.concat(this.#line.splice(0)).toString('latin1');
    this.#lineLength = 0;
    if (!line.endsWith('\r\n')) throw new ProtocolError('Expected a line to end in CRLF');
    this.#head(line.charAt(0), line.slice(1, -2));
    return piece.length;
  }

  #head(type: string, rest: string): void {
    if (++this.#values > MAX_VALUES) throw new ProtocolError('An answer has too many values');
    const scalar = SCALARS[type];
    if (scalar?.test(rest) === true) {
      this.#value({ type, text: rest.slice(0, TOLD_BYTES) });
    } else if ((type === '$' || type === '*') && rest === '-1') {
      this.#value({ type: '_', text: '' });
    } else if (type === '$' || type === '=' || type === '!') {
      const length = lengthOf(rest, MAX_TEXT);
      if (type === '=' && length < 4) throw new ProtocolError('Expected a text with its kind');
      this.#textLeft = length + 2;
      this.#text = { type, isTold: length <= TOLD_BYTES, told: '', before: 0 };
    } else if (type === '*' || type === '~' || type === '>' || type === '%') {
      this.#begin(type, lengthOf(rest, MAX_VALUES) * (type === '%' ? 2 : 1));
    } else throw new ProtocolError('Expected an answer of Redis');
  }

  #begin(type: string, count: number): void {
    if (this.#open.length === MAX_DEPTH) throw new ProtocolError('An answer has values too deep in others');
    if (this.#open.length === 0) this.#answer = { type, text: '', values: [], count };
    else this.#tell({ type, text: '' });
    this.#open.push(count);
    this.#close();
  }

  /** A value that has no others in it. */
  #value(value: RespValue): void {
    if (this.#open.length === 0) this.#answer = { ...value, values: [], count: 0 };
    else this.#tell(value);
    this.#count();
    this.#close();
  }

  #tell(value: RespValue): void {
    if (this.#open.length === 1 && this.#answer !== undefined && this.#answer.values.length < TOLD) {
      this.#answer.values.push(value);
    }
  }

  #count(): void {
    const last = this.#open.length - 1;
    const left = this.#open[last];
    if (left !== undefined) this.#open[last] = left - 1;
  }

  /** Closes what has all of its values. */
  #close(): void {
    while (this.#open.at(-1) === 0) {
      this.#open.pop();
      this.#count();
    }
    const answer = this.#answer;
    if (this.#open.length > 0 || answer === undefined) return;
    this.#answer = undefined;
    this.#bytes = 0;
    this.#values = 0;
    this.answered(answer);
  }
}

const CRLF = 0x0d0a;

function lengthOf(text: string, most: number): number {
  const length = /^\d{1,9}$/.test(text) ? Number(text) : Infinity;
  if (length > most) throw new ProtocolError('A value is too long, or its length is none');
  return length;
}
