import fc from 'fast-check';
import { Patience } from '../../../lib/connection/transport/patience.js';

describe('The patience with an answer that is owed', () => {
  const MOST_MS = 5_000;

  function measured(...roundTrips: readonly number[]) {
    let now = 0;
    const patience = new Patience(MOST_MS, { now: () => now });
    for (const ms of roundTrips) patience.measured(ms);
    const pass = (ms: number) => {
      now += ms;
    };
    return { patience, pass };
  }

  it('is the longest while no round trip has been measured, and on another link again', () => {
    const { patience } = measured();
    expect(patience.ms).toBe(MOST_MS);
    patience.measured(80);
    expect(patience.ms).toBeLessThan(MOST_MS);
    patience.restart();
    expect(patience.ms).toBe(MOST_MS);
  });

  it('is three times what an answer takes: the round trip, four times its variation, and the delay of an acknowledgement', () => {
    // The first sample counts half for the variation (RFC 6298 §2.2).
    expect(measured(80).patience.ms).toBe(3 * (80 + 4 * 40 + 200));
    // Then a quarter of the difference, and an eighth of the sample (§2.3).
    expect(measured(80, 160).patience.ms).toBe(3 * (90 + 4 * 50 + 200));
  });

  it('is a second at least, and never more than the most', () => {
    expect(measured(1).patience.ms).toBe(1_000);
    expect(measured(2_000).patience.ms).toBe(MOST_MS);
    expect(new Patience(60, { now: () => 0 }).ms).toBe(60);
    fc.assert(
      fc.property(fc.array(fc.nat(100_000), { minLength: 1, maxLength: 20 }), (samples) => {
        const { ms } = measured(...samples).patience;
        return ms >= 1_000 && ms <= MOST_MS;
      }),
    );
  });

  it('doubles with each doubt, until there has been none for a minute', () => {
    const { patience, pass } = measured(1);
    const seen: number[] = [];
    for (let i = 0; i < 4; i++) {
      patience.doubted();
      seen.push(patience.ms);
      pass(59_999);
    }
    expect(seen).toEqual([2_000, 4_000, MOST_MS, MOST_MS]);
    pass(1);
    expect(patience.ms).toBe(1_000);
    patience.doubted();
    expect(patience.ms).toBe(2_000);
  });
});
