import { decodeMessage } from '../../lib/lan/dns/decode.js';
import { encodeMessage } from '../../lib/lan/dns/encode.js';
import { MESSAGE_MAX_BYTES, TYPE, type DnsMessage } from '../../lib/lan/dns/message.js';

const SERVICE = '_rxp2p._tcp.local';

const EVERYTHING: DnsMessage = {
  id: 7,
  isResponse: true,
  questions: [{ name: SERVICE, type: TYPE.PTR }],
  answers: [
    { name: SERVICE, ttl: 120, type: 'PTR', target: `abc.${SERVICE}` },
    { name: `abc.${SERVICE}`, ttl: 0, type: 'TXT', texts: [Buffer.from('v=1'), Buffer.alloc(255, 7), Buffer.alloc(0)] },
    { name: `abc.${SERVICE}`, ttl: 4_294_967_295, type: 'SRV', port: 65_535, target: 'abc.local' },
  ],
  additionals: [
    { name: 'abc.local', ttl: 120, type: 'A', address: '192.168.1.7' },
    { name: 'abc.local', ttl: 120, type: 'AAAA', address: 'fd00::7' },
  ],
};

/** A message of one question or record, whose bytes a spec gives. */
function messageOf(counts: readonly number[], ...body: readonly (readonly number[])[]): Buffer {
  const header = Buffer.alloc(12);
  counts.forEach((count, index) => header.writeUInt16BE(count, 4 + 2 * index));
  return Buffer.concat([header, ...body.map((part) => Buffer.from(part))]);
}

const label = (text: string) => [text.length, ...Buffer.from(text)];
const PTR_IN = [0, 12, 0, 1];

describe('Messages of multicast DNS', () => {
  it('are read as they were written', () => {
    expect(decodeMessage(encodeMessage(EVERYTHING))).toEqual(EVERYTHING);
  });

  it('name what they have named before by a pointer', () => {
    const bytes = encodeMessage(EVERYTHING);
    expect(bytes.toString('latin1').split('_rxp2p').length).toBe(2);
    expect(bytes.length).toBeLessThan(460);
  });

  it('have names in small letters, and dots in labels that are none between labels', () => {
    const bytes = messageOf([1, 0, 0, 0], label('My.\\Node'), label('LOCAL'), [0], PTR_IN);
    expect(decodeMessage(bytes)?.questions).toEqual([{ name: 'my\\.\\\\node.local', type: TYPE.PTR }]);
  });

  it('may have flags in classes, records of other types and classes, and authorities, which are skipped', () => {
    const record = (type: number, kind: readonly number[], data: readonly number[]) => [
      ...[...label('a'), 0, 0, type],
      ...[...kind, 0, 0, 0, 9, 0, data.length, ...data],
    ];
    const a = [192, 168, 1, 7];
    const bytes = messageOf(
      [1, 3, 1, 0],
      [...label('a'), 0, 0, 1, 0x80, 1],
      record(1, [0x80, 1], a),
      record(41, [0, 1], [1, 2, 3]),
      record(1, [0, 3], a),
      record(1, [0, 1], a),
    );
    expect(decodeMessage(bytes)).toEqual({
      id: 0,
      isResponse: false,
      questions: [{ name: 'a', type: TYPE.A }],
      answers: [{ name: 'a', ttl: 9, type: 'A', address: '192.168.1.7' }],
      additionals: [],
    });
  });

  const named = (...name: readonly number[]) => messageOf([1, 0, 0, 0], name, PTR_IN);
  const bad: Readonly<Record<string, Buffer>> = {
    'are cut off': encodeMessage(EVERYTHING).subarray(0, -1),
    'are shorter than a header': Buffer.alloc(11),
    'are too long': Buffer.alloc(MESSAGE_MAX_BYTES + 1),
    'have more records than they have bytes for': messageOf([0, 200, 0, 0]),
    'have too many questions': messageOf([257, 0, 0, 0], new Array<number>(257 * 5).fill(0)),
    'have a name that points at itself': named(0xc0, 12),
    'have a name that points forward': named(0xc0, 14, 0),
    'have a name that goes round in a circle': named(...label('a'), 0xc0, 12),
    'have a label of a type that there is not': named(0x40, 0),
    'have a name of more than 255 bytes': named(...Array.from({ length: 5 }, () => label('x'.repeat(63))).flat(), 0),
    'have a record that is longer than the message': messageOf(
      [0, 1, 0, 0],
      [0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 5, 1, 2, 3, 4],
    ),
    'have an address of three bytes': messageOf([0, 1, 0, 0], [0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 3, 1, 2, 3]),
    'have a name that is longer than its record': messageOf([0, 1, 0, 0], [0, 0, 12, 0, 1, 0, 0, 0, 1, 0, 1, 1, 97, 0]),
    'have a text that is longer than its record': messageOf([0, 1, 0, 0], [0, 0, 16, 0, 1, 0, 0, 0, 1, 0, 2, 5, 1]),
    'are of another operation': Buffer.concat([Buffer.of(0, 0, 0x28, 0), Buffer.alloc(8)]),
    'tell of an error': Buffer.concat([Buffer.of(0, 0, 0x84, 3), Buffer.alloc(8)]),
  };
  for (const [what, bytes] of Object.entries(bad)) {
    it(`are ignored when they ${what}`, () => {
      expect(decodeMessage(bytes)).toBeUndefined();
    });
  }

  it('whose names go on elsewhere again and again are ignored', () => {
    // In a record of another type are the end of a name, and pointers each of which leads to the one before.
    const at = 23;
    const messageWith = (pointers: number) => {
      const chain = Array.from({ length: pointers }, (_, index) => [0xc0, index === 0 ? at : at - 1 + 2 * index]);
      const first = [0, 0, 41, 0, 1, 0, 0, 0, 9, 0, 1 + 2 * pointers, 0, ...chain.flat()];
      return messageOf([0, 2, 0, 0], first, [
        0xc0,
        at - 1 + 2 * pointers,
        0,
        1,
        0,
        1,
        0,
        0,
        0,
        9,
        0,
        4,
        192,
        168,
        1,
        7,
      ]);
    };
    expect(decodeMessage(messageWith(15))?.answers).toEqual([{ name: '', ttl: 9, type: 'A', address: '192.168.1.7' }]);
    expect(decodeMessage(messageWith(16))).toBeUndefined();
  });

  it('are not written with a label or a text that is too long', () => {
    const named = (name: string) => ({ ...EVERYTHING, questions: [{ name, type: 1 }] });
    for (const name of ['x'.repeat(64), 'a..b']) expect(() => encodeMessage(named(name))).toThrowError(RangeError);
    const texts = Array.from({ length: 36 }, () => Buffer.alloc(255));
    const long = { ...EVERYTHING, answers: [{ name: 'a', ttl: 1, type: 'TXT', texts } as const] };
    expect(() => encodeMessage(long)).toThrowError(RangeError);
  });
});
