import fc from 'fast-check';
import { SeenWindow, WINDOW } from '../../../lib/rooms/author/window.js';

describe('What has been here of an author', () => {
  const [first, second, third] = ['000000000001aaaa', '000000000002aaaa', '000000000003aaaa'] as const;

  it('is each number once, in any order, as far as the window reaches', () => {
    const numbers = fc.array(fc.integer({ min: 1, max: 3 * WINDOW }), { maxLength: 200 });
    fc.assert(
      fc.property(numbers, (all) => {
        const window = new SeenWindow();
        const seen = new Set<number>();
        let greatest = 0;
        for (const number of all) {
          const isNew = !seen.has(number) && number + WINDOW > greatest;
          expect(window.isNew(first, number)).toBe(isNew);
          expect(window.add(first, number)).toBe(isNew);
          seen.add(number);
          greatest = Math.max(greatest, number);
        }
      }),
    );
  });

  it('is of the latest two streams; all of an older one has been here', () => {
    const window = new SeenWindow();
    expect(window.add(first, 1)).toBeTrue();
    expect(window.add(second, 1)).toBeTrue();
    expect(window.add(third, 1)).toBeTrue();
    expect(window.add(first, 2)).toBeFalse();
    expect(window.add(second, 1)).toBeFalse();
    expect(window.add(second, 2)).toBeTrue();
  });

  it('is all of a run before the first that was heard, but for the past that was asked for', () => {
    const window = new SeenWindow();
    expect(window.add(second, 1)).toBeTrue();
    expect(window.add(first, 1)).toBeFalse();
    expect(window.add(first, 1, true)).toBeTrue();
    expect(window.add(first, 1, true)).toBeFalse();
  });
});
