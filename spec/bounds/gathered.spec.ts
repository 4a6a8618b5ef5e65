import fc from 'fast-check';
import { Gathered } from '../../lib/bounds/gathered.js';
import { cut, places } from '../support/chunks.js';

describe('gathered bytes', () => {
  it('are returned in their order, and start empty again after they are taken', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1 })), places, (wholes, where) => {
        const gathered = new Gathered();
        for (const whole of wholes) {
          for (const piece of cut(Buffer.from(whole), where)) gathered.push(piece);
          throwUnless(gathered.length).toBe(whole.length);
          throwUnless(gathered.bytes).toEqual(Buffer.from(whole));
          throwUnless(gathered.take()).toEqual(Buffer.from(whole));
          throwUnless(gathered.length).toBe(0);
        }
      }),
    );
  });

  it('are not moved while there is as much room as was asked for, in a block of whoever makes one', () => {
    const blocks: Buffer[] = [];
    const gathered = new Gathered((bytes) => {
      const block = Buffer.alloc(bytes + 10);
      blocks.push(block);
      return block;
    });
    gathered.push(Uint8Array.of(1));
    gathered.reserve(100);
    gathered.reserve(50);
    for (let i = 2; i <= 110; i++) gathered.push(Uint8Array.of(i));
    expect(blocks.map(({ length }) => length)).toEqual([11, 110]);
    expect(gathered.take()).toEqual(Buffer.from(Array.from({ length: 110 }, (_, i) => i + 1)));
  });

  it('keep no more than twice their number in memory, whatever they were a part of', () => {
    const chunk = Buffer.alloc(65_536);
    const gathered = new Gathered();
    gathered.push(chunk.subarray(0, 3));
    expect(gathered.bytes.buffer.byteLength).toBe(3);
    for (let i = 0; i < 1_000; i++) gathered.push(chunk.subarray(0, 1));
    expect(gathered.take().buffer.byteLength).toBeLessThan(2_007);
  });
});
