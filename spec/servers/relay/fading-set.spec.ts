import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FadingSet } from '../../../servers/relay/fading-set.js';
import { leftToCi } from '../../support/left-to-ci.js';

describe('a set that fades', () => {
  const MIB = 1024 * 1024;
  let now = 0;
  let set: FadingSet;

  beforeEach(() => {
    now = 1_000;
    set = new FadingSet({ forMs: 100, now: () => now });
  });

  /** What `--expose-gc` makes of `gc`. */
  function isCollector(value: unknown): value is () => void {
    return typeof value === 'function';
  }

  function fill(count: number): void {
    for (let index = 0; index < count; index++) set.add(`in ${index}`);
  }

  it('has nothing at first', () => {
    expect(set.has('a')).toBeFalse();
  });

  it('never misses a text that was added, however many there are', () => {
    fill(20_000);
    for (let index = 0; index < 20_000; index++) if (!set.has(`in ${index}`)) fail(`it does not know text ${index}`);
    expect(set.has('in 0')).toBeTrue();
  });

  it('remembers a text for its time at least, and for twice that at most, whenever it was added', () => {
    for (const age of [0, 1, 50, 99]) {
      set = new FadingSet({ forMs: 100, now: () => now });
      set.add('first');
      now += age;
      set.add('text');
      now += 100;
      expect(set.has('text')).withContext(`after 100 ms, given ${age} ms after the first`).toBeTrue();
      now += 101;
      expect(set.has('text')).withContext(`after 201 ms, given ${age} ms after the first`).toBeFalse();
    }
  });

  it('remembers a text for its time while others are added all along', () => {
    set.add('text');
    for (let index = 0; index < 10; index++) {
      now += 10;
      set.add(`other ${index}`);
      expect(set.has('text')).toBeTrue();
    }
    now += 101;
    set.add('later');
    expect(set.has('text')).toBeFalse();
  });

  it('remembers texts that were added before the clock was set back', () => {
    set.add('text');
    now -= 500;
    expect(set.has('text')).toBeTrue();
    set.add('later');
    expect([set.has('text'), set.has('later')]).toEqual([true, true]);
  });

  it('has about one false positive in 500 with 500,000 texts, in the memory of its two halves', () => {
    leftToCi();
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    const used = () => {
      if (isCollector(collect)) collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    set.add('one');
    const before = used();
    fill(250_000);
    now += 100;
    fill(250_000);
    expect(used() - before).toBeLessThan(2 * MIB);

    set = new FadingSet({ forMs: 100, now: () => now });
    fill(500_000);
    let taken = 0;
    for (let index = 0; index < 20_000; index++) if (set.has(`out ${index}`)) taken++;
    // 40 are to be expected, with a standard deviation of 6.
    expect(taken).toBeGreaterThan(5);
    expect(taken).toBeLessThan(80);
  });
});
