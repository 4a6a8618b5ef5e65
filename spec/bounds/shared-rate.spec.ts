import { sharedRate } from '../../lib/bounds/shared-rate.js';

describe('a rate that sites share', () => {
  function open() {
    const clock = { now: 0 };
    const may = sharedRate({
      all: { perSecond: 20, burst: 40 },
      ofSite: { perSecond: 10, burst: 10 },
      assured: { perSecond: 1, burst: 2 },
      maxSites: 100,
      now: () => clock.now,
    });
    const taken = (site: string, asked: number) =>
      Array.from({ length: asked }, () => may(site)).filter(Boolean).length;
    return { clock, taken };
  }

  it('lets each site have its most while there is enough', () => {
    const { taken } = open();
    expect([taken('a', 100), taken('b', 100)]).toEqual([10, 10]);
  });

  it('keeps something for each site that asks little, whoever came first and goes on asking', () => {
    const { clock, taken } = open();
    for (let second = 0; second < 100; second++) {
      clock.now = second * 1_000;
      for (let site = 0; site < 5; site++) taken(`greedy ${site}`, 1_000);
      expect(taken('modest', 1)).withContext(`${second} s`).toBe(1);
    }
  });

  it('lets no more through than the rate of all, however many sites ask', () => {
    const { clock, taken } = open();
    const all = () => Array.from({ length: 60 }, (_, site) => taken(`${site}`, 3)).reduce((sum, each) => sum + each, 0);
    expect(all()).toBe(40);
    clock.now = 1_000;
    expect(all()).toBe(20);
  });
});
