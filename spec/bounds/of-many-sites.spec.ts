import fc from 'fast-check';
import { ofManySites } from '../../lib/bounds/of-many-sites.js';

describe('ofManySites', () => {
  const siteOf = (entry: string) => entry.charAt(0);

  it('takes one of each site, and then seconds', () => {
    expect(ofManySites(['a1', 'a2', 'a3', 'b1', 'c1', 'c2'], siteOf, 5)).toEqual(['a1', 'b1', 'c1', 'a2', 'c2']);
    expect(ofManySites(['a1', 'a2', 'b1'], siteOf, 9)).toEqual(['a1', 'b1', 'a2']);
    expect(ofManySites(['a1'], siteOf, 0)).toEqual([]);
    expect(ofManySites([], siteOf, 4)).toEqual([]);
  });

  it('takes as many as it may, none twice, and of no site two more than of one that has more', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c')), fc.nat({ max: 12 }), (sites, count) => {
        const entries = sites.map((site, index) => `${site}${index}`);
        const chosen = ofManySites(entries, siteOf, count);
        throwUnless(chosen.length).toBe(Math.min(count, entries.length));
        throwUnless(new Set(chosen).size).toBe(chosen.length);
        const of = (all: readonly string[], site: string) => all.filter((entry) => siteOf(entry) === site).length;
        for (const site of new Set(sites)) {
          if (of(chosen, site) === of(entries, site)) continue;
          for (const other of new Set(sites)) throwUnless(of(chosen, other)).toBeLessThanOrEqual(of(chosen, site) + 1);
        }
      }),
    );
  });
});
