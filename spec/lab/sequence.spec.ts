import { NOTHING_YET, numberedLine, withLine, type Arrival } from './sequence.js';

const arrivalOf = (...texts: string[]): Arrival => texts.reduce(withLine, NOTHING_YET);

describe('A sequence of numbered lines', () => {
  it('is whole when each came once, in order', () => {
    expect(arrivalOf(...[0, 1, 2].map(numberedLine))).toEqual({ count: 3, fault: undefined });
  });

  it('is not when one is missing, came twice, early, or as something else, and tells the first of it', () => {
    for (const [numbers, wrong] of [
      [[0, 2, 3], 'Expected line 1, got `line 2`'],
      [[0, 1, 1], 'Expected line 2, got `line 1`'],
      [[1, 0], 'Expected line 0, got `line 1`'],
    ] as const) {
      expect(arrivalOf(...numbers.map(numberedLine)).fault).toBe(wrong);
    }
    expect(arrivalOf('line 0', 'lin').fault).toBe('Expected line 1, got `lin`');
  });
});
