import fc from 'fast-check';
import { encodeHeader, FILES_FRAME, FrameDecoder, MAX_PAYLOAD_BYTES, type FilesFrame } from '../../lib/files/frames.js';
import { decodeEntries, encodeEntries, expectRole, encodeRole } from '../../lib/files/messages.js';
import { digestOfSmall } from '../../lib/files/digests.js';
import { decodePack, Pack } from '../../lib/files/pack.js';
import { ProtocolError } from '../../lib/index.js';
import { packOf } from '../support/packs.js';

/** Cuts bytes as a network does. */
function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const cuts = [0, ...at.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return cuts.slice(1).map((to, index) => bytes.subarray(cuts[index], to));
}

const type = fc.constantFrom(...Object.values(FILES_FRAME));

describe('The frames of a transfer', () => {
  it('are read as they were written, whatever the pieces they arrive in', () => {
    const frame = fc.record({ type, payload: fc.uint8Array({ maxLength: 60 }), isCompressed: fc.boolean() });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 12 }), (frames, cuts) => {
        const bytes = Buffer.concat(
          frames.flatMap((each) => [encodeHeader(each.type, each.payload.length, each.isCompressed), each.payload]),
        );
        const decoder = new FrameDecoder();
        const read: FilesFrame[] = [];
        for (const piece of cut(bytes, cuts)) read.push(...decoder.push(piece));
        expect(decoder.isBetweenFrames).toBeTrue();
        // Content comes in pieces.
        const isContent = (each: { type: number; isCompressed: boolean }) =>
          each.type === FILES_FRAME.content && !each.isCompressed;
        const contentOf = (all: readonly { type: number; isCompressed: boolean; payload: Uint8Array }[]) =>
          Buffer.concat(all.filter(isContent).map(({ payload }) => payload)).toString('hex');
        const othersOf = (all: readonly { type: number; isCompressed: boolean; payload: Uint8Array }[]) =>
          all
            .filter((each) => !isContent(each))
            .map((each) => [each.type, each.isCompressed, Buffer.from(each.payload).toString('hex')]);
        expect(contentOf(read)).toBe(contentOf(frames));
        expect(othersOf(read)).toEqual(othersOf(frames));
      }),
    );
  });

  it('are of known types, and none is too long', () => {
    const read = (bytes: Buffer) => [...new FrameDecoder().push(bytes)];
    expect(() => read(Buffer.from([99, 0, 0, 0]))).toThrowError(ProtocolError, /type 99/);
    expect(() => read(encodeHeader(FILES_FRAME.offer, MAX_PAYLOAD_BYTES + 1))).toThrowError(ProtocolError, /at most/);
  });

  it('are whole only at their end', () => {
    const decoder = new FrameDecoder();
    expect([...decoder.push(Buffer.from([FILES_FRAME.sent, 0]))]).toEqual([]);
    expect(decoder.isBetweenFrames).toBeFalse();
    expect([...decoder.push(Buffer.from([0, 0]))].map((frame) => frame.type)).toEqual([FILES_FRAME.sent]);
    expect(decoder.isBetweenFrames).toBeTrue();
  });
});

describe('What a transfer says', () => {
  it('of entries is read as it was written', () => {
    const entry = fc.oneof(
      fc.record({
        path: fc.string(),
        kind: fc.constant('file' as const),
        size: fc.nat(),
        mode: fc.integer({ min: 0, max: 0o777 }),
        modifiedMs: fc.nat(),
      }),
      fc.record({
        path: fc.string(),
        kind: fc.constant('folder' as const),
        size: fc.constant(0),
        mode: fc.integer({ min: 0, max: 0o777 }),
        modifiedMs: fc.nat(),
      }),
      fc.record({
        path: fc.string(),
        kind: fc.constant('link' as const),
        size: fc.constant(0),
        mode: fc.constant(0o777),
        modifiedMs: fc.constant(0),
        target: fc.string(),
      }),
    );
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        expect(decodeEntries(encodeEntries(entries))).toEqual(entries);
      }),
    );
  });

  it('is refused where it is something else, whatever it is', () => {
    const wrong = [
      '',
      '{}',
      '[1]',
      '[["f"]]',
      '[["f","a",1,2,-1]]',
      '[["f","a",4096,2,3]]',
      '[["d","a",1,2,3]]',
      '[["l","a",1]]',
      '[["f","a",1,2,1e300]]',
    ];
    for (const text of wrong)
      expect(() => decodeEntries(Buffer.from(text)))
        .withContext(text)
        .toThrowError(ProtocolError);
    fc.assert(
      fc.property(fc.json(), (text) => {
        try {
          decodeEntries(Buffer.from(text));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
    );
  });

  it('of small files are as long as they may be, and without those that cannot be read', () => {
    const pack = new Pack();
    const most = MAX_PAYLOAD_BYTES - packOf([0, Buffer.alloc(0)]).length;
    expect([pack.hasRoomFor(most), pack.hasRoomFor(most + 1)]).toEqual([true, false]);
    expect(pack.add(1, most, () => 'it cannot be read')).toBe('it cannot be read');
    expect(pack.length).toBe(0);
    pack.add(2, most, (content) => void content.fill(7));
    expect(pack.hasRoomFor(0)).toBe(false);
    const [file, ...others] = decodePack(pack.take());
    expect(file).toEqual({ index: 2, digest: digestOfSmall(Buffer.alloc(most, 7)), content: Buffer.alloc(most, 7) });
    expect(others).toEqual([]);
    expect([pack.length, pack.take().length]).toEqual([0, 0]);
  });

  it('of small files has each of them whole', () => {
    const packed = packOf([7, Buffer.from('content')]);
    const pack = Buffer.concat([packed, packed]);
    expect([...decodePack(pack)].map(({ index, content }) => [index, content.toString()])).toEqual([
      [7, 'content'],
      [7, 'content'],
    ]);
    for (let length = 1; length < packed.length; length++)
      expect(() => [...decodePack(pack.subarray(0, length))]).toThrowError(ProtocolError);
  });

  it('first is who each side is: one sends, and one receives', () => {
    expect(() => {
      expectRole(encodeRole('sender'), 'sender');
    }).not.toThrow();
    expect(() => {
      expectRole(encodeRole('sender'), 'receiver');
    }).toThrowError(/both would do the same/);
    expect(() => {
      expectRole(Buffer.from('{"version":2,"role":"sender"}'), 'sender');
    }).toThrowError(/too old/);
  });
});
