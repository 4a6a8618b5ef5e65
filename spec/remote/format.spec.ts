import { decode, encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { formatOf, type Failure, type Sink } from '../../lib/remote/format.js';
import { MESSAGE_PACK } from '../../lib/remote/messagepack.js';
import { encodeLength } from '../support/messages.js';

/** A sink that keeps what comes, at most so many values. */
function keeping(most = Infinity) {
  const values: unknown[] = [];
  const failures: Failure[] = [];
  const sink: Sink = {
    isOver: () => values.length >= most,
    value: (value) => values.push(value),
    failure: (failure) => failures.push(failure),
  };
  return { values, failures, sink };
}

describe('What travels on the channel of a call', () => {
  it('is decoded from MessagePack as it was encoded', () => {
    const key = fc.string().filter((each) => each !== '__proto__');
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        ...[fc.string(), fc.integer(), fc.double({ noNaN: true }), fc.boolean(), fc.constant(null), fc.uint8Array()],
        fc.array(tie('value')),
        fc.dictionary(key, tie('value'), { noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(value, (each) => {
        expect(MESSAGE_PACK.decode(encode(each))).toEqual(decode(encode(each)));
      }),
    );
    for (const length of [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536]) {
      for (const each of [
        'x'.repeat(length),
        new Uint8Array(length),
        Array.from({ length }, (_, i) => i),
        Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, -1 - i])),
      ])
        expect(MESSAGE_PACK.decode(encode(each))).toEqual(each);
    }
    for (const each of [null, true, 0.5, 2 ** 40, -(2 ** 40), -200, -40_000, -3e9, new Date(0), new Date(1.5)])
      expect(MESSAGE_PACK.decode(encode(each))).toEqual(each);
  });

  it('takes no more memory than its bytes: MessagePack that claims more items than it has bytes is not read', () => {
    const claims = [
      // Of these the package would make lists with room for 32 million items, one within the other.
      Buffer.from('ddffffffff', 'hex'),
      Buffer.from('dd01fffff0'.repeat(1_000), 'hex'),
      Buffer.from('dcffff', 'hex'),
      Buffer.from('dfffffffff', 'hex'),
      Buffer.from('9f', 'hex'),
      Buffer.from('8f01', 'hex'),
      Buffer.from('91'.repeat(100), 'hex'),
      Buffer.from('c6ffffffff', 'hex'),
      Buffer.from('dd', 'hex'),
    ];
    const before = process.memoryUsage().heapUsed;
    for (const bytes of claims) expect(() => MESSAGE_PACK.decode(bytes)).toThrow();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100_000_000);
  });

  it('is undefined by MessagePack, too, alone; in an object it is left out, and in a list it is null, as in JSON', () => {
    for (const codec of ['json', 'messagepack'] as const) {
      const format = formatOf(codec);
      const writer = format.writer();
      for (const value of [undefined, { a: undefined, b: 1 }, [undefined, 1], null]) writer.value(value, 100);
      const { values, sink } = keeping();
      format.reader(100).push(writer.take(), sink);
      expect(values).toEqual([undefined, { b: 1 }, [null, 1], null]);
    }
  });

  it('is not decoded after the last value that is wanted', () => {
    const { values, sink } = keeping(1);
    formatOf('json').reader(100).push(Buffer.from('1\nno JSON\n2\n'), sink);
    expect(values).toEqual([1]);
  });

  it('fails with a message that does not quote the peer’s text', () => {
    const { sink } = keeping();
    expect(() => {
      formatOf('json').reader(100).push(Buffer.from('\u001b[2J\n'), sink);
    }).toThrowError(SyntaxError, 'Expected a line of JSON, got other text');
  });

  it('cleans and cuts the texts of a failure in every format', () => {
    const harm = { kind: 'other', name: '\u001b]0;title\u0007', message: `\u202e${'x'.repeat(90_000)}`, code: '\r\n' };
    const text = JSON.stringify(harm);
    const { failures, sink } = keeping();
    formatOf('json')
      .reader(200_000)
      .push(Buffer.from(`!${text}\n!no JSON\n![]\n!\n`), sink);
    const message = Buffer.concat([Buffer.of(1), Buffer.from(text)]);
    formatOf('messagepack')
      .reader(200_000)
      .push(Buffer.concat([encodeLength(message.length), message]), sink);
    const cleaned = { kind: 'error', name: ' ]0;title ', message: ` ${'x'.repeat(4_095)}`, code: '  ' } as const;
    const none = { kind: 'error', name: 'Error', message: '' } as const;
    expect(failures).toEqual([cleaned, none, none, none, cleaned]);
  });

  it('rejects values that JSON cannot encode', () => {
    const writer = formatOf('json').writer();
    for (const value of [() => 1, Symbol('s'), { toJSON: () => undefined }])
      expect(() => {
        writer.value(value, 100);
      }).toThrowError(TypeError, /Expected a value that JSON can write/);
    expect(writer.length).toBe(0);
  });
});
