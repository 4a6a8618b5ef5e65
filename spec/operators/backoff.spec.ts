import fc from 'fast-check';
import { backoffMs } from '../../lib/operators/backoff.js';

describe('backoffMs', () => {
  it('doubles from the first pause up to the longest', () => {
    const pauses = [1, 2, 3, 4, 5, 2000].map((count) => backoffMs(count, 100, 800, () => 1));
    expect(pauses).toEqual([100, 200, 400, 800, 800, 800]);
  });

  it('is shortened by chance to between half and the whole', () => {
    expect(backoffMs(3, 100, 800, () => 0)).toBe(200);
    expect(backoffMs(3, 100, 800, () => 0.5)).toBe(300);
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), chance, (count, random) => {
        const pause = backoffMs(count, 100, 800, () => random);
        return pause >= 50 && pause <= 800;
      }),
    );
  });
});
