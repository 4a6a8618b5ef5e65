import fc from 'fast-check';
import { ownText } from '../../lib/bounds/own-text.js';
import { heapUsed } from '../support/heap.js';

describe('ownText', () => {
  it('is the same text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(ownText(text)).toBe(text);
      }),
    );
  });

  it('keeps no longer text in memory that it was a part of', () => {
    const kept: string[] = [];
    const before = heapUsed();
    for (let count = 0; count < 200; count++) {
      const line = Buffer.alloc(100_000, `${count} a word that is long enough to be a part `).toString('latin1');
      kept.push(ownText(line.slice(10, 50)));
    }
    expect(heapUsed() - before).toBeLessThan(5_000_000);
    expect(kept.length).toBe(200);
  });
});
