import { addressToBytes } from '../../endpoint.js';
import { IN, LABEL_MAX_BYTES, MESSAGE_MAX_BYTES, POINTER, TYPE, type DnsMessage, type DnsRecord } from './message.js';

/** The flags of an answer: QR, and AA (RFC 6762 §18.2, §18.4). */
const RESPONSE = 0x8400;

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
