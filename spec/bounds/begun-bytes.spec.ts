import fc from 'fast-check';
import { BegunBytes } from '../../lib/bounds/begun-bytes.js';

/** Readers that share bytes, with the credit that each has given. */
function open(bytes: number, count: number) {
  const all = new BegunBytes(bytes);
  return Array.from({ length: count }, () => {
    const reader = { credit: 0, onRead: (more: number) => (reader.credit += more) };
    return Object.assign(reader, { share: all.share(reader) });
  });
}

describe('the bytes of what has begun', () => {
  it('are credited at once while there are enough, and so is all that is whole', () => {
    const [one, other] = open(10, 2);
    one?.share.read(6, 6);
    other?.share.read(100, 4);
    expect([one?.credit, other?.credit]).toEqual([6, 100]);
  });

  it('are credited later when others have taken all, in the order in which they came', () => {
    const [one, first, second] = open(10, 3);
    one?.share.read(10, 10);
    // One may go on regardless, so that not all wait for each other.
    first?.share.read(7, 7);
    second?.share.read(5, 2);
    expect([first?.credit, second?.credit]).toEqual([7, 3]);
    one?.share.read(1, 0);
    expect([one?.credit, first?.credit, second?.credit]).toEqual([11, 7, 5]);
  });

  it('let one reader go on regardless, until it has finished', () => {
    const [one, other] = open(1, 2);
    for (const begun of [10, 20, 30]) one?.share.read(10, begun);
    other?.share.read(10, 10);
    expect([one?.credit, other?.credit]).toEqual([30, 0]);
    one?.share.read(5, 0);
    expect([one?.credit, other?.credit]).toEqual([35, 10]);
  });

  it('are credited and given back when a reader has nothing more to hold', () => {
    const [one, other] = open(5, 2);
    one?.share.read(9, 9);
    other?.share.read(3, 3);
    expect(other?.credit).toBe(0);
    one?.share.close();
    expect(other?.credit).toBe(3);
    other?.share.close();
    expect([one?.credit, other?.credit]).toEqual([9, 3]);
  });

  it('are credited once, also where a reader goes on with what it held when its share was closed', () => {
    const [one] = open(100, 1);
    one?.share.read(5, 5);
    one?.share.close();
    one?.share.read(7, 12);
    expect(one?.credit).toBe(12);
    one?.share.read(1, 0);
    expect(one?.credit).toBe(13);
  });

  it('are bounded, but for one reader; and each that reads on comes to its end', () => {
    const most = 50;
    const item = 40;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 5 }), fc.nat({ max: 60 }))), (steps) => {
        const readers = open(most, 6).map((reader) => ({ ...reader, reader, sent: 0, begun: 0 }));
        const send = (index: number, bytes: number) => {
          const one = readers[index];
          if (one === undefined) return;
          // Each peer may send what it has credit for, and a first window.
          const count = Math.min(bytes, one.reader.credit + 10 - one.sent);
          one.sent += count;
          one.begun = (one.begun + count) % item;
          one.reader.share.read(count, one.begun);
          const credited = readers.map(({ reader, sent, begun }) => Math.max(0, begun - (sent - reader.credit)));
          throwUnless(credited.reduce((sum, held) => sum + held, 0)).toBeLessThanOrEqual(most + item);
        };
        for (const [index, bytes] of steps) send(index, bytes);
        for (let round = 0; round < 100; round++)
          for (let index = 0; index < 6; index++) send(index, item - (readers[index]?.begun ?? 0));
        for (const { reader } of readers) reader.share.close();
        for (const { sent, reader } of readers) {
          throwUnless(sent).toBeGreaterThan(item * 5);
          throwUnless(reader.credit).toBe(sent);
        }
      }),
    );
  });
});
