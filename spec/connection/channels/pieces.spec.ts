import { OWN_CHANNEL } from '../../../lib/connection/channels/frames.js';
import { Pieces } from '../../../lib/connection/channels/pieces.js';

describe('Pieces that wait in a channel', () => {
  /** Each piece by the byte that it is of, and how many of it were released. */
  function waiting(...lengths: readonly number[]) {
    const released: Record<number, number> = {};
    const pieces = new Pieces({
      release: (bytes) => {
        for (const byte of bytes) released[byte] = (released[byte] ?? 0) + 1;
      },
    });
    for (const [i, length] of lengths.entries()) pieces.push(Buffer.alloc(length, i + 1));
    return { pieces, released };
  }
  const lengthOf = (frame: readonly Buffer[] | undefined) => frame?.map(({ length }) => length);

  it('are released when a copy is sent in their place, in whole or in part, and no others', () => {
    const { pieces, released } = waiting(20_000, 5_000, 300);
    expect(lengthOf(pieces.takeFrame(OWN_CHANNEL, 16_384))?.[1]).toBe(16_384);
    expect(released).withContext('it is sent as it is').toEqual({});
    expect(lengthOf(pieces.takeFrame(OWN_CHANNEL, 4_000))).toHaveSize(1);
    expect(released).toEqual({ 1: 3_616, 2: 384 });
    pieces.takeFrame(OWN_CHANNEL, 100_000);
    expect(released).toEqual({ 1: 3_616, 2: 5_000, 3: 300 });
    expect(pieces.takeFrame(OWN_CHANNEL, 1)).toBeUndefined();
    const only = waiting(100);
    only.pieces.takeFrame(OWN_CHANNEL, 100_000);
    expect(only.released).toEqual({ 1: 100 });
  });

  it('are released when they are dropped, but for what was taken', () => {
    const { pieces, released } = waiting(20_000, 5_000);
    pieces.takeFrame(OWN_CHANNEL, 16_384);
    pieces.clear();
    expect([released, pieces.length]).toEqual([{ 1: 3_616, 2: 5_000 }, 0]);
  });
});
