import fc from 'fast-check';
import { memoryStore } from '../../../servers/store/memory.js';
import type { ChannelListener } from '../../../servers/store/store.js';

/** A store with a clock that a spec turns. */
function open({ maxEntries = 100, random = Math.random } = {}) {
  const clock = { now: 0 };
  return { clock, store: memoryStore({ maxEntries, now: () => clock.now, random }) };
}

describe('the store in memory', () => {
  it('keeps a value under its key in its table, the latest one', async () => {
    const { store } = open();
    expect(await store.put('unls', 'a', 'one', 10)).toBeTrue();
    expect(await store.put('unls', 'a', 'two', 10)).toBeTrue();
    expect(await store.get('unls', 'a')).toBe('two');
    expect(await store.get('unls', 'b')).toBeUndefined();
    expect(await store.get('passive', 'a')).toBeUndefined();
  });

  it('forgets a value when its time is over, counted anew whenever it is put', async () => {
    const { store, clock } = open();
    await store.put('unls', 'a', 'one', 10);
    clock.now = 9;
    expect(await store.get('unls', 'a')).toBe('one');
    await store.put('unls', 'a', 'one', 10);
    clock.now = 18;
    expect(await store.get('unls', 'a')).toBe('one');
    clock.now = 19;
    expect(await store.get('unls', 'a')).toBeUndefined();
    expect([await store.sample('unls', 9), await store.list('unls', '')]).toEqual([[], []]);
  });

  it('forgets a value that is deleted', async () => {
    const { store } = open();
    await store.put('unls', 'a', 'one', 10);
    await store.delete('unls', 'a');
    await store.delete('unls', 'never there');
    expect(await store.get('unls', 'a')).toBeUndefined();
  });

  it('takes no more than a table holds, each table by itself, but always a new value for an old key', async () => {
    const { store } = open({ maxEntries: 2 });
    await store.put('unls', 'a', 'one', 10);
    await store.put('unls', 'b', 'one', 10);
    expect(await store.put('unls', 'c', 'one', 10)).toBeFalse();
    expect(await store.get('unls', 'c')).toBeUndefined();
    expect(await store.put('unls', 'a', 'two', 10)).toBeTrue();
    expect(await store.put('passive', 'c', 'one', 10)).toBeTrue();
  });

  it('shares a full table by sites: evicts the newest entry of the largest site for a smaller one', async () => {
    const { store } = open({ maxEntries: 4 });
    for (const key of ['a', 'b', 'c']) await store.put('unls', key, 'greedy', 10, 'one');
    await store.put('unls', 'd', 'old', 10, 'two');
    expect(await store.put('unls', 'e', 'too many', 10, 'one')).toBeFalse();
    expect(await store.put('unls', 'f', 'new', 10, 'three')).toBeTrue();
    const kept: unknown[] = [];
    for (const key of ['a', 'b', 'c', 'd', 'f']) kept.push(await store.get('unls', key));
    expect(kept).toEqual(['greedy', 'greedy', undefined, 'old', 'new']);
  });

  it('counts an entry for the site that has put it last, and not any more when it is gone', async () => {
    const { store, clock } = open({ maxEntries: 3 });
    for (const key of ['a', 'b', 'c']) await store.put('unls', key, 'x', key === 'a' ? 5 : 10, 'one');
    expect(await store.put('unls', 'c', 'moved', 10, 'two')).toBeTrue();
    expect(await store.put('unls', 'd', 'x', 10, 'two')).toBeFalse();
    clock.now = 5;
    expect(await store.put('unls', 'd', 'x', 10, 'two')).toBeTrue();
    expect(await store.put('unls', 'e', 'x', 10, 'one')).toBeFalse();
    await store.delete('unls', 'd');
    expect(await store.put('unls', 'e', 'x', 10, 'one')).toBeTrue();
  });

  it('makes room by what has expired', async () => {
    const { store, clock } = open({ maxEntries: 2 });
    await store.put('unls', 'a', 'one', 5);
    await store.put('unls', 'b', 'one', 10);
    clock.now = 5;
    expect(await store.put('unls', 'c', 'one', 10)).toBeTrue();
    expect(await store.put('unls', 'd', 'one', 10)).toBeFalse();
    expect(await store.get('unls', 'b')).toBe('one');
  });

  it('does not iterate over its entries when it is full, nor when some have expired', async () => {
    let looks = 0;
    const clock = { now: 0 };
    const now = () => {
      looks++;
      return clock.now;
    };
    const store = memoryStore({ maxEntries: 1_000, now, random: Math.random });
    const costOf = async (ask: () => unknown) => {
      const before = looks;
      await ask();
      return looks - before;
    };
    for (let i = 0; i < 1_000; i++) await store.put('candidates', `10.0.0.1 ${i}`, 'x', i < 990 ? 10 : 20);
    expect(await costOf(() => store.put('candidates', 'late', 'x', 10))).toBeLessThan(10);
    clock.now = 10;
    await store.put('candidates', 'late', 'x', 10);
    expect(await costOf(() => store.sample('candidates', 1))).toBeLessThan(10);
    expect(await costOf(() => store.list('candidates', '10.0.0.1'))).toBeLessThan(30);
    expect((await store.list('candidates', '10.0.0.1')).length).toBe(10);
  });

  it('lists what is of one group', async () => {
    const { store } = open();
    for (const key of ['10.0.0.1 a', '10.0.0.1 b', '10.0.0.10 a']) await store.put('candidates', key, key, 10);
    expect(await store.list('candidates', '10.0.0.1')).toEqual([
      ['10.0.0.1 a', '10.0.0.1 a'],
      ['10.0.0.1 b', '10.0.0.1 b'],
    ]);
  });

  it('samples as many live entries as there are, up to the number asked for, none twice', async () => {
    const entries = fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.boolean(), { maxKeys: 12 });
    await fc.assert(
      fc.asyncProperty(
        entries,
        fc.nat({ max: 14 }),
        fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1 }),
        async (isLive, count, chance) => {
          let draws = 0;
          const { store, clock } = open({ random: () => chance[draws++ % chance.length] ?? 0 });
          for (const [key, lives] of Object.entries(isLive)) await store.put('unls', key, `of ${key}`, lives ? 10 : 5);
          clock.now = 5;
          const sample = await store.sample('unls', count);
          const live = Object.keys(isLive).filter((key) => isLive[key]);
          const keys = sample.map(([key]) => key);
          throwUnless(new Set(keys).size).toBe(Math.min(count, live.length));
          throwUnless(keys.every((key) => live.includes(key))).toBeTrue();
          throwUnless(sample.every(([key, value]) => value === `of ${key}`)).toBeTrue();
        },
      ),
    );
  });

  it('samples entries at random', async () => {
    const keys = ['a', 'b', 'c', 'd'];
    const firstBy = async (chance: number) => {
      const { store } = open({ random: () => chance });
      for (const key of keys) await store.put('unls', key, key, 10);
      return (await store.sample('unls', 1))[0]?.[0];
    };
    expect(await Promise.all([0, 0.25, 0.5, 0.75].map(firstBy))).toEqual(keys);
  });

  it('hands a message to everyone who listens on its channel, and tells how many they are', async () => {
    const { store } = open();
    const [first, second, other] = [listener(), listener(), listener()];
    await store.listen('a', first);
    await store.listen('a', second);
    await store.listen('a', second);
    await store.listen('b', other);
    expect(await store.publish('a', 'one')).toBe(2);
    store.leave('a', first);
    store.leave('b', first);
    expect(await store.publish('a', 'two')).toBe(1);
    expect([first.messages, second.messages, other.messages]).toEqual([['a one'], ['a one', 'a two'], []]);
    store.leave('a', second);
    store.leave('a', second);
    expect(await store.publish('a', 'three')).toBe(0);
    await store.listen('a', first);
    expect(await store.publish('a', 'four')).toBe(1);
    expect(first.messages).toEqual(['a one', 'a four']);
  });

  it('lets a listener leave, or another come, in the middle of a message', async () => {
    const { store } = open();
    const [late, other] = [listener(), listener()];
    const first = listener(() => {
      store.leave('a', first);
      void store.listen('a', late);
    });
    await store.listen('a', first);
    expect(await store.publish('a', 'one')).toBe(1);
    expect(await store.publish('a', 'two')).toBe(1);
    expect(late.messages).toEqual(['a two']);
    await store.listen('a', first);
    await store.listen('a', other);
    expect(await store.publish('a', 'three')).toBe(3);
    expect([late.messages, other.messages]).toEqual([['a two', 'a three'], ['a three']]);
  });
});

/** Listens, and keeps what it has heard on which channel. */
function listener(then: () => void = () => undefined): ChannelListener & { readonly messages: string[] } {
  const messages: string[] = [];
  return {
    messages,
    heard(message, channel) {
      messages.push(`${channel} ${message}`);
      then();
    },
    unheard: fail,
  };
}
