import fc from 'fast-check';
import { ProtocolError } from '../../lib/errors.js';
import { FramedWire } from '../../lib/link/framed-link.js';
import {
  DATA_MAX_LENGTH,
  decodeAt,
  decodeOffset,
  encodeAt,
  encodeFrame,
  encodeHeader,
  encodeOffset,
  FRAME,
  FrameDecoder,
  type Frame,
} from '../../lib/link/frames.js';
import { crumbs, cut, places } from '../support/chunks.js';

/** What a decoder makes of each chunk. */
function decoding(): (chunk: Buffer) => Frame[] {
  const decoder = new FrameDecoder();
  return (chunk) => decoder.push(chunk);
}

function decode(chunks: readonly Buffer[]): Frame[] {
  const push = decoding();
  return chunks.flatMap((chunk) => push(chunk));
}

/** Pieces of data that follow each other are one. */
function joined(frames: readonly Frame[]): { readonly type: number; readonly text: string }[] {
  const whole: { type: number; text: string }[] = [];
  for (const { type, payload } of frames) {
    const last = whole.at(-1);
    if (type === FRAME.data && last?.type === FRAME.data) last.text += payload.toString('latin1');
    else whole.push({ type, text: payload.toString('latin1') });
  }
  return whole;
}

const frames = fc.record({
  type: fc.constantFrom(FRAME.data, ...Object.values(FRAME), 128, 255),
  payload: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
});

describe('frames', () => {
  it('are a type, a length of three bytes and a payload', () => {
    expect(encodeFrame(FRAME.ping, Buffer.from('ab')).toString('hex')).toBe('030000026162');
    expect(encodeHeader(FRAME.data, DATA_MAX_LENGTH).toString('hex')).toBe('00ffffff');
    expect(encodeHeader(255, 1).toString('hex')).toBe('ff000001');
  });

  it('arrive as they were sent, however the bytes were chunked on their way, but for those that may be skipped', () => {
    fc.assert(
      fc.property(fc.array(frames), places, (sent, where) => {
        const bytes = Buffer.concat(sent.map(({ type, payload }) => encodeFrame(type, payload)));
        const known = sent.filter(({ type, payload }) => type < 128 && (type !== FRAME.data || payload.length > 0));
        throwUnless(joined(decode(cut(bytes, where)))).toEqual(joined(known));
        throwUnless(joined(decode(crumbs(bytes)))).toEqual(joined(known));
      }),
    );
  });

  it('of data are passed on piece by piece as they arrive, without being copied or waited for', () => {
    const push = decoding();
    const chunk = Buffer.concat([encodeHeader(FRAME.data, 5), Buffer.from('ab')]);
    expect(push(chunk)).toEqual([{ type: FRAME.data, payload: Buffer.from('ab') }]);
    chunk.write('x', 4);
    expect(push(chunk.subarray(4))).toEqual([{ type: FRAME.data, payload: Buffer.from('xb') }]);
    const [piece] = push(chunk.subarray(4));
    chunk.write('y', 4);
    expect(piece?.payload.toString()).toBe('y');
  });

  it('about the connection come whole', () => {
    const push = decoding();
    const bytes = encodeFrame(FRAME.hello, Buffer.from('hello'));
    expect(push(bytes.subarray(0, 8))).toEqual([]);
    expect(push(bytes.subarray(8))).toEqual([{ type: FRAME.hello, payload: Buffer.from('hello') }]);
  });

  it('of a type that must be understood, and is not, are refused at their header', () => {
    for (const type of [10, 64, 127]) {
      expect(() => decode([encodeHeader(type, 0)])).toThrowError(
        ProtocolError,
        `Expected a frame type up to 9, got ${type}`,
      );
    }
  });

  it('about the connection are small, or refused at their header', () => {
    for (const type of [...Object.values(FRAME), 128].filter((each) => each !== FRAME.data)) {
      expect(decode([encodeHeader(type, 16_384)])).toEqual([]);
      expect(() => decode([encodeHeader(type, 16_385)])).toThrowError(ProtocolError, /at most 16384 bytes, got 16385/);
    }
  });

  it('decoded from garbage are frames or a ProtocolError, and never have more bytes than came', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), places, (bytes, where) => {
        try {
          const read = decode(cut(Buffer.from(bytes), where));
          return read.reduce((sum, { payload }) => sum + payload.length, 0) <= bytes.length;
        } catch (error) {
          return error instanceof ProtocolError;
        }
      }),
    );
  });
});

describe('a payload longer than a frame can be', () => {
  it('goes in several frames, and arrives whole', () => {
    const payload = Buffer.alloc(DATA_MAX_LENGTH + 3, 'a');
    const bytes = new FramedWire().encode(FRAME.data, payload);
    const arrived = decode(bytes.map((part) => Buffer.from(part.buffer, part.byteOffset, part.length)));
    expect(arrived.every(({ type }) => type === FRAME.data)).toBeTrue();
    expect(Buffer.concat(arrived.map((frame) => frame.payload)).equals(payload)).toBeTrue();
  });
});

describe('a place in a stream', () => {
  const MOST = 2 ** 48 - 1;
  const offsets = fc.maxSafeNat().map((offset) => offset % (MOST + 1));

  it('is an offset of six bytes', () => {
    expect(encodeOffset(0x0102_0304_0506).toString('hex')).toBe('010203040506');
    expect(encodeOffset(MOST).toString('hex')).toBe('ffffffffffff');
  });

  it('has the number of a choice in front where data begin', () => {
    expect(encodeAt({ choice: 7, offset: 258 }).toString('hex')).toBe('00000007000000000102');
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), offsets, (choice, offset) => {
        throwUnless(decodeOffset(encodeOffset(offset))).toBe(offset);
        throwUnless(decodeAt(encodeAt({ choice, offset }))).toEqual({ choice, offset });
      }),
    );
    expect(decodeOffset(encodeOffset(MOST))).toBe(MOST);
    expect(decodeAt(encodeAt({ choice: 2 ** 32 - 1, offset: MOST }))).toEqual({ choice: 2 ** 32 - 1, offset: MOST });
  });

  it('of any other length is a ProtocolError', () => {
    for (const length of [0, 5, 7, 10]) {
      expect(() => decodeOffset(Buffer.alloc(length)))
        .withContext(String(length))
        .toThrowError(ProtocolError, `Expected an offset of 6 bytes, got ${length} bytes`);
    }
    for (const length of [0, 6, 9, 11]) {
      expect(() => decodeAt(Buffer.alloc(length)))
        .withContext(String(length))
        .toThrowError(ProtocolError, `Expected an \`at\` of 10 bytes, got ${length} bytes`);
    }
  });
});
