import { addressFromBytes } from '../../endpoint.js';
import {
  IN,
  LABEL_MAX_BYTES,
  MESSAGE_MAX_BYTES,
  POINTER,
  TYPE,
  type DnsMessage,
  type DnsRecord,
  type Question,
} from './message.js';

/** Questions and records of one message. A network's whole list of services has fewer. */
const MAX_ENTRIES = 256;

const HEADER_BYTES = 12;
const NAME_MAX_BYTES = 255;

/** How often one name goes on elsewhere (RFC 1035 §4.1.4). A name that is compressed well does so once. */
const MAX_POINTERS = 16;

/** OPCODE and RCODE: a message in which one of them is not zero is ignored (RFC 6762 §18.3, §18.11). */
const OPCODE_AND_RCODE = 0x780f;

/** The top bit of a class is a flag of multicast DNS (RFC 6762 §5.4, §10.2). */
const CLASS = 0x7fff;
const ANY_CLASS = 255;

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
