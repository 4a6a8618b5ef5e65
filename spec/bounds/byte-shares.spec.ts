import fc from 'fast-check';
import { ByteShares, type ByteHolder } from '../../lib/bounds/byte-shares.js';
import { growthOf } from '../support/cost.js';

describe('Room for bytes that sites share', () => {
  /** A holder that lets go of its bytes when it has to. */
  function holderAt(site: string, gone: string[], name = site): ByteHolder {
    return {
      site,
      giveWay: () => {
        gone.push(name);
      },
    };
  }

  it('evicts a holder over its own limit', () => {
    const gone: string[] = [];
    const shares = new ByteShares({ mostOfOne: 10, mostOfSite: 100, most: 1000 });
    const holder = holderAt('a', gone);
    shares.set(holder, 10);
    expect(gone).toEqual([]);
    shares.set(holder, 11);
    expect(gone).toEqual(['a']);
    expect(shares.bytes).toBe(0);
  });

  it('evicts the largest holder of a site over its limit', () => {
    const gone: string[] = [];
    const shares = new ByteShares({ mostOfOne: 100, mostOfSite: 100, most: 1000 });
    shares.set(holderAt('a', gone, 'small'), 30);
    shares.set(holderAt('a', gone, 'large'), 60);
    shares.set(holderAt('b', gone), 90);
    shares.set(holderAt('a', gone, 'newest'), 20);
    expect(gone).toEqual(['large']);
    expect(shares.bytes).toBe(140);
  });

  it('evicts the largest holder of the largest site when there are too many in total', () => {
    const gone: string[] = [];
    const shares = new ByteShares({ mostOfOne: 100, mostOfSite: 100, most: 150 });
    for (const name of ['1', '2', '3']) shares.set(holderAt('flood', gone, name), 30 + Number(name));
    shares.set(holderAt('honest', gone), 60);
    expect(gone).toEqual(['3']);
    expect(shares.bytes).toBe(123);
  });

  it('takes no longer to make room however many sites there are', () => {
    const full = (sites: number) => {
      const gone: string[] = [];
      const shares = new ByteShares({ mostOfOne: 1_000, mostOfSite: 1_000, most: 10 * sites });
      for (let site = 0; site < sites; site++) shares.set(holderAt(`small ${site}`, gone), 10);
      return { shares, gone };
    };
    const prepared = new Map([2_000, 32_000].map((sites) => [sites, full(sites)]));
    let newcomers = 0;
    const evictAmong = (sites: number) => {
      for (let more = 0; more < sites; more++)
        prepared.get(sites)?.shares.set(holderAt(`more ${newcomers++}`, prepared.get(sites)?.gone ?? []), 10);
    };
    evictAmong(2_000);
    expect(prepared.get(2_000)?.gone.length).toBe(2_000);
    // A look at all sites for each of them would cost the square of their number.
    expect(growthOf(2_000, evictAmong)).toBeUndefined();
  });

  it('never exceeds its limits, and counts correctly', () => {
    const change = fc.record({ who: fc.nat(11), bytes: fc.nat(60) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
        const shares = new ByteShares({ mostOfOne: 50, mostOfSite: 80, most: 150 });
        const held = new Map<number, number>();
        const holders = Array.from({ length: 12 }, (_, who) => ({
          site: `${who % 4}`,
          giveWay: () => {
            held.delete(who);
          },
        }));
        for (const { who, bytes } of changes) {
          const holder = holders[who];
          if (holder === undefined) continue;
          held.set(who, bytes);
          shares.set(holder, bytes);
          const sum = (of: (who: number) => boolean) =>
            [...held].reduce((total, [each, its]) => total + (of(each) ? its : 0), 0);
          expect(shares.bytes).toBe(sum(() => true));
          expect(shares.bytes).toBeLessThanOrEqual(150);
          for (const site of [0, 1, 2, 3]) expect(sum((each) => each % 4 === site)).toBeLessThanOrEqual(80);
        }
      }),
    );
  });
});
