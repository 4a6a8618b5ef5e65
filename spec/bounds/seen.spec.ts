import fc from 'fast-check';
import { Seen } from '../../lib/bounds/seen.js';

describe('what has been seen', () => {
  let clock = 0;
  const now = () => clock;
  beforeEach(() => {
    clock = 0;
  });

  it('is reported as new the first time only', () => {
    const seen = new Seen({ forMs: 10, maxEntries: 10, now });
    expect([seen.add('a'), seen.add('b'), seen.add('a'), seen.add('b')]).toEqual([true, true, false, false]);
  });

  it('is forgotten when its time is over, counted from the first time', () => {
    const seen = new Seen({ forMs: 10, maxEntries: 10, now });
    seen.add('a');
    clock = 9;
    expect(seen.add('a')).toBeFalse();
    clock = 10;
    expect(seen.add('a')).toBeTrue();
  });

  it('is forgotten, the oldest first, when there are too many keys', () => {
    const seen = new Seen({ forMs: 10, maxEntries: 2, now });
    for (const key of ['a', 'b', 'c']) seen.add(key);
    expect([seen.add('c'), seen.add('b')]).toEqual([false, false]);
    expect(seen.add('a')).toBeTrue();
  });

  it('is not forgotten to make room for what is known already', () => {
    const seen = new Seen({ forMs: 10, maxEntries: 2, now });
    for (const key of ['a', 'b', 'b', 'b']) seen.add(key);
    expect(seen.add('a')).toBeFalse();
  });

  it('holds exactly the latest keys, up to its number and its time', () => {
    const steps = fc.array(
      fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), waitMs: fc.integer({ min: 0, max: 4 }) }),
    );
    fc.assert(
      fc.property(steps, (history) => {
        const seen = new Seen({ forMs: 6, maxEntries: 3, now });
        let model: { readonly key: string; readonly at: number }[] = [];
        for (const { key, waitMs } of history) {
          clock += waitMs;
          model = model.filter(({ at }) => at + 6 > clock);
          const isNew = !model.some((entry) => entry.key === key);
          if (isNew) model = [...model, { key, at: clock }].slice(-3);
          throwUnless(seen.add(key)).toBe(isNew);
        }
      }),
    );
  });
});
