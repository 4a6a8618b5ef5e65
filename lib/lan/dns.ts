import { addressFromBytes, addressToBytes } from '../endpoint.js';

// Messages of the DNS (RFC 1035 §4), as far as multicast DNS needs them here (RFC 6762 §18): questions, and records of five types. Records of
// other types are skipped. Pure.

/** A message of multicast DNS is no longer, in bytes (RFC 6762 §17). */
export const MESSAGE_MAX_BYTES = 9_000;

/** Questions and records of one message. A network's whole list of services has fewer. */
const MAX_ENTRIES = 256;

const HEADER_BYTES = 12;
const LABEL_MAX_BYTES = 63;
const NAME_MAX_BYTES = 255;

/** How often one name goes on elsewhere (RFC 1035 §4.1.4). A name that is compressed well does so once. */
const MAX_POINTERS = 16;

const POINTER = 0xc000;
const RESPONSE = 0x8400;

/** OPCODE and RCODE: a message in which one of them is not zero is ignored (RFC 6762 §18.3, §18.11). */
const OPCODE_AND_RCODE = 0x780f;

/** The top bit of a class is a flag of multicast DNS (RFC 6762 §5.4, §10.2). */
const CLASS = 0x7fff;
const IN = 1;
const ANY_CLASS = 255;

/** The types of records (RFC 1035 §3.2.2, RFC 2782, RFC 3596). */
export const TYPE = { A: 1, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, ANY: 255 } as const;

/** What is asked for. */
export interface Question {
  /** In small letters. */
  readonly name: string;
  /** One of {@link TYPE}, or another. */
  readonly type: number;
}

/** A record: what it is of, and for how many seconds it holds. */
export type DnsRecord = {
  /** In small letters. */
  readonly name: string;
  readonly ttl: number;
} & (
  | { readonly type: 'PTR'; readonly target: string }
  | { readonly type: 'SRV'; readonly port: number; readonly target: string }
  | { readonly type: 'TXT'; readonly texts: readonly Buffer[] }
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
);

/** A message. */
export interface DnsMessage {
  /** Zero, but in questions of ordinary resolvers and the answers to them (RFC 6762 §6.7). */
  readonly id: number;
  readonly isResponse: boolean;
  readonly questions: readonly Question[];
  /** The answers; in a question those that are known already (RFC 6762 §7.1). */
  readonly answers: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

/** Reads a message: `undefined` for anything that is none, or that multicast DNS ignores. */
export function decodeMessage(bytes: Buffer): DnsMessage | undefined {
  if (bytes.length < HEADER_BYTES || bytes.length > MESSAGE_MAX_BYTES) return undefined;
  try {
    return new Reader(bytes).message();
  } catch (error) {
    // A number or a name that is not whole.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/**
 * Writes a message.
 *
 * @throws RangeError when it is too long, or a label is.
 */
export function encodeMessage({ id, isResponse, questions, answers, additionals }: DnsMessage): Buffer {
  const writer = new Writer();
  writer.number(id, 2);
  writer.number(isResponse ? RESPONSE : 0, 2);
  for (const count of [questions.length, answers.length, 0, additionals.length]) writer.number(count, 2);
  for (const { name, type } of questions) {
    writer.name(name);
    writer.number(type, 2);
    writer.number(IN, 2);
  }
  for (const record of [...answers, ...additionals]) writer.record(record);
  return writer.bytes;
}

class Reader {
  #at = 0;

  constructor(readonly bytes: Buffer) {}

  message(): DnsMessage {
    const [id, flags] = [this.#number(2), this.#number(2)];
    const [questions, answers, authorities, additionals] = [2, 2, 2, 2].map((size) => this.#number(size));
    const counts = [questions, answers, authorities, additionals].map((count) => count ?? 0);
    if (counts.reduce((sum, count) => sum + count, 0) > MAX_ENTRIES) throw new RangeError('Too many records');
    if ((flags & OPCODE_AND_RCODE) !== 0) throw new RangeError('Not of multicast DNS');
    const asked = this.#several(questions, () => this.#question());
    const answered = this.#several(answers, () => this.#record());
    this.#several(authorities, () => this.#record());
    return {
      id,
      isResponse: (flags & 0x8000) !== 0,
      questions: asked,
      answers: answered,
      additionals: this.#several(additionals, () => this.#record()),
    };
  }

  #several<T>(count: number | undefined, read: () => T | undefined): T[] {
    const all: T[] = [];
    for (let left = count ?? 0; left > 0; left--) {
      const one = read();
      if (one !== undefined) all.push(one);
    }
    return all;
  }

  #question(): Question | undefined {
    const name = this.#name();
    const [type, kind] = [this.#number(2), this.#number(2) & CLASS];
    return kind === IN || kind === ANY_CLASS ? { name, type } : undefined;
  }

  #record(): DnsRecord | undefined {
    const name = this.#name();
    const [type, kind, ttl] = [this.#number(2), this.#number(2) & CLASS, this.#number(4)];
    const length = this.#number(2);
    const end = this.#at + length;
    if (end > this.bytes.length) throw new RangeError('A record is not whole');
    const record = kind === IN ? this.#data({ name, ttl }, type, end) : undefined;
    if (this.#at > end) throw new RangeError('A record is longer than it says');
    this.#at = end;
    return record;
  }

  #data(head: { readonly name: string; readonly ttl: number }, type: number, end: number): DnsRecord | undefined {
    switch (type) {
      case TYPE.PTR:
        return { ...head, type: 'PTR', target: this.#name() };
      case TYPE.SRV: {
        // Priority and weight say nothing where there is one.
        this.#number(4);
        return { ...head, type: 'SRV', port: this.#number(2), target: this.#name() };
      }
      case TYPE.TXT:
        return { ...head, type: 'TXT', texts: this.#texts(end) };
      case TYPE.A:
      case TYPE.AAAA: {
        const bytes = this.bytes.subarray(this.#at, end);
        if (bytes.length !== (type === TYPE.A ? 4 : 16)) throw new RangeError('Not an address');
        return { ...head, type: type === TYPE.A ? 'A' : 'AAAA', address: addressFromBytes(bytes) };
      }
      default:
        return undefined;
    }
  }

  #texts(end: number): Buffer[] {
    const texts: Buffer[] = [];
    while (this.#at < end) {
      const length = this.#number(1);
      texts.push(this.bytes.subarray(this.#at, this.#at + length));
      this.#at += length;
    }
    return texts;
  }

  #number(size: number): number {
    const number = this.bytes.readUIntBE(this.#at, size);
    this.#at += size;
    return number;
  }

  /** Labels with dots between them, in small letters (RFC 6762 §16). A dot in a label is written `\.`, so that no two names look alike. */
  #name(): string {
    const labels: string[] = [];
    let at = this.#at;
    let after: number | undefined;
    let length = 0;
    let pointers = 0;
    for (let head = this.bytes.readUInt8(at); head > 0; head = this.bytes.readUInt8(at)) {
      if (head > LABEL_MAX_BYTES) {
        const pointer = this.bytes.readUInt16BE(at);
        const target = pointer - POINTER;
        // A name goes on at one that was there before (RFC 1035 §4.1.4).
        if (target < 0 || target >= at || ++pointers > MAX_POINTERS) throw new RangeError('Not a name');
        after ??= at + 2;
        at = target;
        continue;
      }
      length += head + 1;
      if (length >= NAME_MAX_BYTES || at + head >= this.bytes.length) throw new RangeError('Too long a name');
      const label = this.bytes.toString('latin1', at + 1, at + 1 + head).toLowerCase();
      labels.push(label.replaceAll('\\', '\\\\').replaceAll('.', '\\.'));
      at += 1 + head;
    }
    this.#at = after ?? at + 1;
    return labels.join('.');
  }
}

class Writer {
  readonly #bytes = Buffer.alloc(MESSAGE_MAX_BYTES);
  /** Where names are, by their texts. */
  readonly #names = new Map<string, number>();
  #at = 0;

  get bytes(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at));
  }

  number(value: number, size: number): void {
    this.#bytes.writeUIntBE(value, this.#at, size);
    this.#at += size;
  }

  /** Writes a name of which no label has a dot. */
  name(name: string): void {
    for (let rest = name; rest !== '';) {
      const known = this.#names.get(rest);
      if (known !== undefined) {
        this.number(POINTER + known, 2);
        return;
      }
      this.#names.set(rest, this.#at);
      const [label = ''] = rest.split('.', 1);
      if (label.length === 0 || label.length > LABEL_MAX_BYTES) throw new RangeError(`Not a label: ${label}`);
      this.#text(Buffer.from(label, 'latin1'));
      rest = rest.slice(label.length + 1);
    }
    this.number(0, 1);
  }

  record(record: DnsRecord): void {
    this.name(record.name);
    this.number(TYPE[record.type], 2);
    this.number(IN, 2);
    this.number(record.ttl, 4);
    const lengthAt = this.#at;
    this.number(0, 2);
    this.#data(record);
    this.#bytes.writeUInt16BE(this.#at - lengthAt - 2, lengthAt);
  }

  #data(record: DnsRecord): void {
    switch (record.type) {
      case 'PTR':
        this.name(record.target);
        break;
      case 'SRV':
        this.number(0, 4);
        this.number(record.port, 2);
        this.name(record.target);
        break;
      case 'TXT':
        for (const text of record.texts) this.#text(text);
        break;
      case 'A':
      case 'AAAA':
        this.#raw(addressToBytes(record.address));
        break;
    }
  }

  #text(bytes: Buffer): void {
    this.number(bytes.length, 1);
    this.#raw(bytes);
  }

  #raw(bytes: Uint8Array): void {
    if (this.#at + bytes.length > MESSAGE_MAX_BYTES) throw new RangeError('Too long a message');
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }
}
