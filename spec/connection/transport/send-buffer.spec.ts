import fc from 'fast-check';
import { SendBuffer } from '../../../lib/connection/transport/send-buffer.js';

/** Pieces that are kept as they are, in bytes. */
const LONG = 16_384;

/** What a spec writes over bytes that were released. */
const RELEASED = 0xee;

type Step =
  | { readonly do: 'push'; readonly length: number }
  | { readonly do: 'take'; readonly most: number }
  /** To a place between the first and the last that are allowed: 0 to 1. */
  | { readonly do: 'acknowledge' | 'rewind'; readonly where: number };

const where = fc.double({ min: 0, max: 1, noNaN: true });
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof<fc.MaybeWeightedArbitrary<Step>[]>(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('push' as const), length: fc.nat(20) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('take' as const), most: fc.integer({ min: 1, max: 30 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('acknowledge' as const), where }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('rewind' as const), where }) },
  ),
  // More than are let go of in one go.
  { maxLength: 1_500, size: 'max' },
);

/** Bytes of a stream from an offset on, each of which tells where it is. */
const bytesAt = (offset: number, length: number) =>
  Buffer.from(Array.from({ length }, (_, index) => (offset + index) % 251));

/** All that can be taken. */
function rest(buffer: SendBuffer): Buffer {
  const taken: Buffer[] = [];
  for (let bytes = buffer.take(7); bytes !== undefined; bytes = buffer.take(7)) taken.push(bytes);
  return Buffer.concat(taken);
}

describe('A send buffer', () => {
  it('gives out the bytes from any kept offset, whatever was acknowledged before', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const buffer = new SendBuffer();
        const model = { base: 0, position: 0, written: 0, end: 0 };
        for (const step of all) {
          switch (step.do) {
            case 'push':
              buffer.push(bytesAt(model.end, step.length));
              model.end += step.length;
              break;
            case 'take': {
              const bytes = buffer.take(step.most);
              throwUnless(bytes === undefined).toBe(model.position === model.end);
              if (bytes === undefined) break;
              throwUnless(bytes.length > 0 && bytes.length <= step.most).toBeTrue();
              throwUnless(bytes.equals(bytesAt(model.position, bytes.length))).toBeTrue();
              model.position += bytes.length;
              model.written = Math.max(model.written, model.position);
              break;
            }
            case 'acknowledge':
              model.base += Math.floor(step.where * (model.position - model.base));
              buffer.acknowledge(model.base);
              break;
            case 'rewind':
              model.position = model.base + Math.floor(step.where * (model.written - model.base));
              buffer.rewind(model.position);
          }
          const { base, position, written, end } = buffer;
          throwUnless({ base, position, written, end }).toEqual(model);
        }
        throwUnless(rest(buffer).equals(bytesAt(model.position, model.end - model.position))).toBeTrue();
        buffer.rewind(model.base);
        throwUnless(rest(buffer).equals(bytesAt(model.base, model.end - model.base))).toBeTrue();
      }),
    );
  });

  it('gives out long pieces as they are, without copying them, and never more than is asked for', () => {
    const buffer = new SendBuffer();
    const piece = Buffer.alloc(2_000, 'a');
    buffer.push(piece);
    buffer.push(Buffer.from('d'));
    expect(buffer.take(2)?.buffer).toBe(piece.buffer);
    expect([buffer.take(5_000)?.length, String(buffer.take(10)), buffer.take(10)]).toEqual([1_998, 'd', undefined]);
  });

  it('tells its owner of each byte once: when the peer has it, or when a copy is kept in its place', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40_000), { maxLength: 40 }), fc.nat(60_000), (lengths, most) => {
        let released = 0;
        const owner = {
          release: (bytes: Buffer) => {
            if (bytes[0] === RELEASED) throw new Error('It was released before');
            if (bytes.length >= LONG) released += bytes.length;
            bytes.fill(RELEASED);
          },
        };
        const buffer = new SendBuffer(owner);
        let [added, sent] = [0, 0];
        for (const length of lengths) {
          buffer.push(Buffer.alloc(length));
          if (length >= LONG) added += length;
          for (let bytes = buffer.take(most + 1); bytes !== undefined; bytes = buffer.take(most + 1)) {
            throwUnless(bytes.every((byte) => byte === 0)).toBeTrue();
            sent += bytes.length;
          }
          buffer.acknowledge(Math.floor((sent + buffer.base) / 2));
          throwUnless(released).toBeLessThanOrEqual(buffer.base);
        }
        buffer.acknowledge(buffer.end);
        throwUnless(released).toBe(added);
      }),
    );
  });

  it('joins short pieces, even with one that was given out in part or whole', () => {
    const buffer = new SendBuffer();
    buffer.push(Buffer.from('first'));
    buffer.push(Buffer.from('abc'));
    expect([String(buffer.take(10)), String(buffer.take(2))]).toEqual(['first', 'ab']);
    buffer.push(Buffer.from('d'));
    expect(String(buffer.take(10))).toBe('cd');
    buffer.push(Buffer.from('e'));
    expect(String(buffer.take(10))).toBe('e');
    buffer.acknowledge(10);
    buffer.push(Buffer.from('f'));
    expect([String(buffer.take(10)), buffer.base, buffer.end]).toEqual(['f', 10, 11]);
  });

  it('goes on after everything was acknowledged, again and again', () => {
    const buffer = new SendBuffer();
    for (let i = 0; i < 3; i++) {
      for (const text of ['one', 'two', 'three']) buffer.push(Buffer.from(text));
      expect(String(buffer.take(10))).toBe('one');
      expect(String(buffer.take(20))).toBe('twothree');
      buffer.acknowledge(buffer.end);
      expect([buffer.base, buffer.position, buffer.take(1)]).toEqual([11 * (i + 1), 11 * (i + 1), undefined]);
    }
    buffer.push(Buffer.from('four'));
    buffer.take(10);
    buffer.rewind(33);
    expect(String(buffer.take(10))).toBe('four');
  });

  it('gives nothing when it is empty', () => {
    const buffer = new SendBuffer();
    buffer.push(Buffer.alloc(0));
    expect(buffer.take(1)).toBeUndefined();
    expect(buffer.end).toBe(0);
  });
});
