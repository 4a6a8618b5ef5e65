import { Gathered } from '../bounds/gathered.js';
import { lineDecoder } from '../link/lines.js';
import { messageDecoder, type Decoder } from '../link/messages.js';
import { parseJsonObject } from '../validate.js';
import { clean } from '../words.js';
import type { CodecOption, RemoteCodec } from './interface.js';
import { MESSAGE_PACK } from './messagepack.js';
import { codecNameOf, type CodecName } from './options.js';

/** Why a call failed, as it is sent to the caller. */
export interface Failure {
  /** `error`: the method threw, or its Observable failed. `refused`: it was not called, or was stopped. */
  readonly kind: 'error' | 'refused';
  /** The error's name, or the reason of the refusal. */
  readonly name: string;
  readonly message: string;
  /** The error's own `code`, if it has one. */
  readonly code?: string | number | undefined;
}

/** Encodes values, and gathers them to be sent together. */
export interface Writer {
  /** How much is gathered, in bytes or UTF-16 units. */
  readonly length: number;
  /**
   * Adds a value.
   *
   * @throws RangeError when it is too long; and whatever the codec throws for a value that it cannot encode.
   */
  value(value: unknown, maxBytes: number): void;
  /** Adds a failure. Its texts are cut so that it is not too long. */
  failure(failure: Failure, maxBytes: number): void;
  /** Takes everything that was gathered. */
  take(): Buffer;
}

/** Receives decoded values. */
export interface Sink {
  /** Whether no more values are wanted: the rest is not decoded. */
  isOver(): boolean;
  value(value: unknown): void;
  failure(failure: Failure): void;
}

/** Decodes bytes. */
export interface Reader {
  /** @throws Error when the bytes cannot be decoded, or a value is too long. */
  push(bytes: Buffer, sink: Sink): void;
  /** How many bytes it holds of a value that has begun. */
  readonly begun: number;
}

/** How calls and their values are encoded on a channel. */
export interface Format {
  /** Part of the channel's name, so that a peer with another format refuses the call. */
  readonly name: CodecName;
  writer(): Writer;
  /** @param maxBytes the longest value, in bytes. */
  reader(maxBytes: number): Reader;
}

/** The format of a codec. */
export function formatOf(codec: CodecOption = 'json'): Format {
  codecNameOf(codec);
  if (codec === 'json') return JSON_FORMAT;
  return codec === 'messagepack' ? MESSAGES : bytesFormat('own', codec);
}

/** A line that begins with this is a failure: no JSON begins with it. */
const FAILURE_MARK = '!';

/** Lines: each a value in JSON, empty for `undefined`, or a failure. */
const JSON_FORMAT: Format = {
  name: 'json',
  writer: () => new JsonWriter(),
  reader: (maxBytes) => new ItemsReader(lineDecoder(maxBytes), readJsonLine),
};

class JsonWriter implements Writer {
  /** Most calls have one line. More are joined when they are taken: appending each to one text takes twice as long. */
  #lines: string[] | undefined;
  #first: string | undefined;
  length = 0;

  value(value: unknown, maxBytes: number): void {
    const text = value === undefined ? '' : jsonOf(value);
    if (text === undefined) throw new TypeError(`Expected a value that JSON can write, got a ${typeof value}`);
    // No character takes more than 3 bytes for each unit of its length, so that most texts need not be measured.
    if (text.length * 3 > maxBytes) expectLength(Buffer.byteLength(text), maxBytes);
    this.#push(text);
  }

  failure(failure: Failure, maxBytes: number): void {
    this.#push(FAILURE_MARK + failureText(failure, maxBytes));
  }

  take(): Buffer {
    const [first, lines] = [this.#first, this.#lines];
    this.#first = this.#lines = undefined;
    this.length = 0;
    if (first === undefined) return NOTHING;
    return Buffer.from(lines === undefined ? `${first}\n` : `${first}\n${lines.join('\n')}\n`);
  }

  #push(line: string): void {
    this.length += line.length + 1;
    if (this.#first === undefined) this.#first = line;
    else (this.#lines ??= []).push(line);
  }
}

function readJsonLine(line: string, sink: Sink): void {
  if (line.startsWith(FAILURE_MARK)) sink.failure(failureIn(line.slice(1)));
  else sink.value(line === '' ? undefined : parseJson(line));
}

const NOTHING = Buffer.alloc(0);

const VALUE_TAG = 0;
const FAILURE_TAG = 1;
const VALUE_HEAD = Uint8Array.of(VALUE_TAG);
const FAILURE_HEAD = Uint8Array.of(FAILURE_TAG);

/** Messages: the first byte of each tells whether a value or a failure follows. */
function bytesFormat(name: CodecName, codec: RemoteCodec): Format {
  return {
    name,
    writer: () => {
      const batch = new Gathered();
      const push = (tag: Uint8Array, bytes: Uint8Array) => {
        batch.pushUInt32(1 + bytes.length);
        batch.push(tag);
        batch.push(bytes);
      };
      return {
        get length() {
          return batch.length;
        },
        value(value, maxBytes) {
          const bytes = codec.encode(value);
          expectLength(1 + bytes.length, maxBytes);
          push(VALUE_HEAD, bytes);
        },
        failure(failure, maxBytes) {
          push(FAILURE_HEAD, Buffer.from(failureText(failure, maxBytes)));
        },
        take: () => batch.take(),
      };
    },
    reader: (maxBytes) =>
      new ItemsReader(messageDecoder(maxBytes), (message, sink) => {
        const [tag] = message;
        const bytes = message.subarray(1);
        if (tag === VALUE_TAG) sink.value(codec.decode(bytes));
        else if (tag === FAILURE_TAG) sink.failure(failureIn(bytes.toString('utf8')));
        else throw new RangeError(`Expected a value or a failure, got a message of kind ${String(tag)}`);
      }),
  };
}

const MESSAGES = bytesFormat('messagepack', MESSAGE_PACK);

function expectLength(length: number, maxBytes: number): void {
  if (length > maxBytes) throw new RangeError(`Expected a value of at most ${maxBytes} bytes, got ${length}`);
}

/** Reads the items of a stream, each a value or a failure. */
class ItemsReader<T> implements Reader {
  readonly #decoder: Decoder<T>;
  readonly #read: (item: T, sink: Sink) => void;

  constructor(decoder: Decoder<T>, read: (item: T, sink: Sink) => void) {
    this.#decoder = decoder;
    this.#read = read;
  }

  get begun(): number {
    return this.#decoder.begun;
  }

  push(bytes: Buffer, sink: Sink): void {
    for (const item of this.#decoder.push(bytes)) {
      if (sink.isOver()) return;
      this.#read(item, sink);
    }
    const { fault } = this.#decoder;
    if (fault !== undefined && !sink.isOver()) throw fault;
  }
}

/** Encodes a value as JSON. Functions and symbols have no JSON, nor has a value whose `toJSON` returns nothing. */
function jsonOf(value: unknown): string | undefined {
  return JSON.stringify(value);
}

/** @throws SyntaxError for a text that is not JSON. Its message does not quote the text, which a stranger has written. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SyntaxError('Expected a line of JSON, got other text');
  }
}

/** Encodes a failure in fewer than so many bytes. */
function failureText({ kind, name, message, code }: Failure, maxBytes: number): string {
  for (let length = WORDS_LENGTH; ; length = Math.floor(length / 2)) {
    const cut = (text: string) => text.slice(0, length);
    const words = { kind, name: cut(name), message: cut(message), code: typeof code === 'string' ? cut(code) : code };
    const text = JSON.stringify(words);
    if (length === 0 || Buffer.byteLength(text) < maxBytes) return text;
  }
}

/** Reads a failure. Fields that cannot be read get defaults: a malformed failure is still a failure. The texts are a stranger's. */
function failureIn(text: string): Failure {
  const { kind, name, message, code } = parseJsonObject(text) ?? {};
  return {
    kind: kind === 'refused' ? 'refused' : 'error',
    name: typeof name === 'string' ? wordsOf(name) : 'Error',
    message: typeof message === 'string' ? wordsOf(message) : '',
    ...(typeof code === 'number' && { code }),
    ...(typeof code === 'string' && { code: wordsOf(code) }),
  };
}

/** Both sides cut the texts of a failure to this many characters. */
const WORDS_LENGTH = 4_096;

function wordsOf(text: string): string {
  return clean(text.slice(0, WORDS_LENGTH));
}
