import fc from 'fast-check';
import { siteBuckets, tokenBucket } from '../../lib/bounds/rate-limit.js';

describe('a rate limit', () => {
  /** A bucket with a clock that a spec turns. */
  function open(perSecond: number, burst: number) {
    const clock = { now: 0 };
    const take = tokenBucket({ perSecond, burst, now: () => clock.now });
    const takeAll = () => {
      let taken = 0;
      while (take()) taken++;
      return taken;
    };
    return { clock, take, takeAll };
  }

  it('lets a burst through, then as much as time brings', () => {
    const { clock, take, takeAll } = open(10, 5);
    expect(takeAll()).toBe(5);
    clock.now = 99;
    expect(take()).toBeFalse();
    clock.now = 100;
    expect(take()).toBeTrue();
    expect(take()).toBeFalse();
  });

  it('saves up no more than a burst', () => {
    const { clock, takeAll } = open(10, 5);
    takeAll();
    clock.now = 1_000_000;
    expect(takeAll()).toBe(5);
  });

  it('lets no more through than its rate and its burst, however it is asked', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 300 }), { maxLength: 200 }), (waits) => {
        const { clock, take } = open(10, 5);
        let taken = 0;
        for (const wait of waits) {
          clock.now += wait;
          if (take()) taken++;
        }
        return taken <= 5 + (clock.now / 1000) * 10 + 1e-6;
      }),
    );
  });

  it('keeps working when the clock is set back', () => {
    const { clock, take } = open(10, 5);
    clock.now = 3_600_000;
    expect(take()).toBeTrue();
    clock.now = 0;
    expect(take()).toBeTrue();
    clock.now = 100;
    expect(take()).toBeTrue();
  });
});

describe('a rate limit for each host', () => {
  /** Buckets of 2 tokens, one a second, with a clock that a spec turns. */
  function open(maxSites: number) {
    const clock = { now: 0 };
    return { clock, take: siteBuckets({ perSecond: 1, burst: 2, maxSites, now: () => clock.now }) };
  }

  it('takes as many tokens as something costs, even more than are left', () => {
    const { clock, take } = open(10);
    expect([take('a', 4), take('a'), take('b')]).toEqual([true, false, true]);
    clock.now = 2_900;
    expect(take('a')).toBeFalse();
    clock.now = 3_100;
    expect(take('a')).toBeTrue();
  });

  it('is counted for each by itself', () => {
    const { clock, take } = open(10);
    expect(['a', 'a', 'a', 'b', 'a'].map((site) => take(site))).toEqual([true, true, false, true, false]);
    clock.now = 1000;
    expect(['a', 'a', 'b', 'b', 'b'].map((site) => take(site))).toEqual([true, false, true, true, false]);
  });

  it('forgets the one that it has known for longest where there are too many, and no other', () => {
    const { take } = open(2);
    expect(['a', 'a', 'b', 'b', 'c', 'c'].map((site) => take(site))).toEqual([true, true, true, true, true, true]);
    expect(['b', 'c'].map((site) => take(site))).toEqual([false, false]);
    // Forgotten, it begins anew.
    expect(take('a')).toBeTrue();
  });

  it('limits a remembered host whatever its name is', () => {
    const hosts = fc.constantFrom('a', 'b', '__proto__', 'constructor', '');
    fc.assert(
      fc.property(fc.array(hosts, { maxLength: 50 }), (asked) => {
        const { take } = open(5);
        const granted = asked.filter((host) => take(host));
        return asked.every((host) => {
          const count = (list: readonly string[]) => list.filter((each) => each === host).length;
          return count(granted) === Math.min(2, count(asked));
        });
      }),
    );
  });
});
