import fc from 'fast-check';
import { BegunFrames } from '../../../servers/rendezvous/begun-frames.js';

/** A frame of a client (RFC 6455 §5.2). */
function frame(length: number, { opcode = 1, fin = true } = {}): Buffer {
  const long = Buffer.alloc(8);
  long.writeBigUInt64BE(BigInt(length));
  const lengths = length < 126 ? [length] : length < 65_536 ? [126, ...long.subarray(6)] : [127, ...long];
  lengths[0] = (lengths[0] ?? 0) | 0x80;
  return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | opcode, ...lengths]), Buffer.alloc(4 + length, 0xff)]);
}

const PING = frame(5, { opcode: 9 });

describe('What has begun on a WebSocket', () => {
  it('is nothing where all that has come is whole', () => {
    const begun = new BegunFrames();
    for (const length of [0, 1, 125, 126, 65_535, 65_536, 100_000]) {
      expect(begun.push(frame(length)))
        .withContext(String(length))
        .toBe(0);
      expect(begun.push(Buffer.concat([frame(3), PING, frame(length), PING])))
        .withContext(String(length))
        .toBe(0);
    }
  });

  it('is all of a frame that is not whole, and of a message of several', () => {
    const begun = new BegunFrames();
    const whole = frame(1_000);
    expect(begun.push(whole.subarray(0, 500))).toBeGreaterThanOrEqual(500);
    expect(begun.push(whole.subarray(500, 900))).toBeGreaterThanOrEqual(900);
    expect(begun.push(whole.subarray(900))).toBe(0);
    expect(begun.push(frame(1_000, { fin: false }))).toBeGreaterThanOrEqual(1_000);
    expect(begun.push(PING)).toBeGreaterThanOrEqual(1_000);
    expect(begun.push(frame(1_000, { opcode: 0, fin: false }))).toBeGreaterThanOrEqual(2_000);
    expect(begun.push(Buffer.concat([frame(1_000, { opcode: 0 }), PING, whole.subarray(0, 20)]))).toBeLessThan(1_000);
    expect(begun.push(whole.subarray(20))).toBe(0);
  });

  it('is counted by its pieces, too: tiny ones take far more memory than their bytes', () => {
    const begun = new BegunFrames();
    const pieces = Array.from(frame(900), (byte) => Buffer.from([byte]));
    const last = pieces.pop() ?? Buffer.alloc(0);
    let held = 0;
    for (const piece of pieces) held = begun.push(piece);
    expect(held).toBeGreaterThan(300_000);
    expect(begun.push(last)).toBe(0);
  });

  it('is known however the bytes come', () => {
    const frames = fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.boolean(), fc.constantFrom(1, 0, 9, 10)), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (all, steps) => {
        const bytes = Buffer.concat([
          ...all.map(([length, fin, opcode]) => frame(length, { opcode, fin: fin || opcode > 7 })),
          frame(1, { opcode: 0 }),
        ]);
        const begun = new BegunFrames();
        let held = 0;
        for (let at = 0, step = 0; at < bytes.length; step++) {
          const length = steps[step % steps.length] ?? 1;
          held = begun.push(bytes.subarray(at, at + length));
          at += length;
        }
        expect(held).toBe(0);
      }),
    );
  });
});
