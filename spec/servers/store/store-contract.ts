import fc from 'fast-check';
import type { Store } from '../../../servers/store/store.js';
import { listener } from './listener.js';

/** A store, and a clock that a spec turns. */
export interface OpenedStore {
  readonly store: Store;
  readonly clock: { now: number };
}

/**
 * The specs that every store has to pass.
 *
 * @param openStore opens a store with nothing in it, whose clock shows 0; closed after the spec.
 * @param runs in how many stores what is true of any entries is tried.
 */
export function specifyStore(openStore: (options: { maxEntries?: number }) => Promise<OpenedStore>, runs = 100): void {
  const open = (options: { maxEntries?: number } = {}) => openStore(options);

  it('keeps a value under its key in its table, the latest one', async () => {
    const { store } = await open();
    expect(await store.put('unls', 'a', 'one', 10)).toBeTrue();
    expect(await store.put('unls', 'a', 'two', 10)).toBeTrue();
    expect(await store.get('unls', 'a')).toBe('two');
    expect(await store.get('unls', 'b')).toBeUndefined();
    expect(await store.get('passive', 'a')).toBeUndefined();
  });

  it('forgets a value when its time is over, counted anew whenever it is put', async () => {
    const { store, clock } = await open();
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
    const { store } = await open();
    await store.put('unls', 'a', 'one', 10);
    await store.delete('unls', 'a');
    await store.delete('unls', 'never there');
    expect(await store.get('unls', 'a')).toBeUndefined();
  });

  it('takes no more than a table holds, each table by itself, but always a new value for an old key', async () => {
    const { store } = await open({ maxEntries: 2 });
    await store.put('unls', 'a', 'one', 10);
    await store.put('unls', 'b', 'one', 10);
    expect(await store.put('unls', 'c', 'one', 10)).toBeFalse();
    expect(await store.get('unls', 'c')).toBeUndefined();
    expect(await store.put('unls', 'a', 'two', 10)).toBeTrue();
    expect(await store.put('passive', 'c', 'one', 10)).toBeTrue();
  });

  it('shares a full table by sites: evicts the newest entry of the largest site for a smaller one', async () => {
    const { store } = await open({ maxEntries: 4 });
    for (const key of ['a', 'b', 'c']) await store.put('unls', key, 'greedy', 10, 'one');
    await store.put('unls', 'd', 'old', 10, 'two');
    expect(await store.put('unls', 'e', 'too many', 10, 'one')).toBeFalse();
    expect(await store.put('unls', 'f', 'new', 10, 'three')).toBeTrue();
    const kept: unknown[] = [];
    for (const key of ['a', 'b', 'c', 'd', 'f']) kept.push(await store.get('unls', key));
    expect(kept).toEqual(['greedy', 'greedy', undefined, 'old', 'new']);
  });

  it('counts an entry for the site that has put it last, and not any more when it is gone', async () => {
    const { store, clock } = await open({ maxEntries: 3 });
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
    const { store, clock } = await open({ maxEntries: 2 });
    await store.put('unls', 'a', 'one', 5);
    await store.put('unls', 'b', 'one', 10);
    clock.now = 5;
    expect(await store.put('unls', 'c', 'one', 10)).toBeTrue();
    expect(await store.put('unls', 'd', 'one', 10)).toBeFalse();
    expect(await store.get('unls', 'b')).toBe('one');
  });

  it('lists what is of one group', async () => {
    const { store } = await open();
    for (const key of ['10.0.0.1 a', '10.0.0.1 b', '10.0.0.10 a']) await store.put('candidates', key, key, 10);
    expect(await store.list('candidates', '10.0.0.1')).toEqual([
      ['10.0.0.1 a', '10.0.0.1 a'],
      ['10.0.0.1 b', '10.0.0.1 b'],
    ]);
  });

  it('samples as many live entries as there are, up to the number asked for, none twice', async () => {
    const entries = fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.boolean(), { maxKeys: 12 });
    await fc.assert(
      fc.asyncProperty(entries, fc.nat({ max: 14 }), async (isLive, count) => {
        const { store, clock } = await open();
        for (const [key, lives] of Object.entries(isLive)) await store.put('unls', key, `of ${key}`, lives ? 10 : 5);
        clock.now = 5;
        const sample = await store.sample('unls', count);
        const live = Object.keys(isLive).filter((key) => isLive[key]);
        const keys = sample.map(([key]) => key);
        throwUnless(new Set(keys).size).toBe(Math.min(count, live.length));
        throwUnless(keys.every((key) => live.includes(key))).toBeTrue();
        throwUnless(sample.every(([key, value]) => value === `of ${key}`)).toBeTrue();
      }),
      { numRuns: runs },
    );
  });

  it('samples the live entries of one group, none twice and each as often as any other', async () => {
    const { store, clock } = await open();
    const names = Array.from({ length: 12 }, (_, index) => `b ${index}`);
    for (const key of ['a 1', 'b1 1', 'bb 1', 'c 1', ...names]) await store.put('topics', key, `of ${key}`, 10);
    await store.put('topics', 'b late', 'x', 5);
    clock.now = 5;
    const sorted = (entries: readonly (readonly [string, string])[]) => entries.map(([key]) => key).toSorted();
    expect(sorted(await store.sample('topics', 99, 'b'))).toEqual(names.toSorted());
    expect(await store.sample('topics', 0, 'b')).toEqual([]);
    expect(await store.sample('topics', 9, 'none')).toEqual([]);
    const drawn = new Map<string, number>();
    for (let run = 0; run < 60; run++) {
      const sample = await store.sample('topics', 4, 'b');
      expect(new Set(sample.map(([key]) => key)).size).toBe(4);
      expect(sample.every(([key, value]) => value === `of ${key}` && names.includes(key))).toBeTrue();
      for (const [key] of sample) drawn.set(key, (drawn.get(key) ?? 0) + 1);
    }
    // Twenty times on average: the chance that one of twelve comes less than three times is below 10⁻⁶.
    expect(names.filter((name) => (drawn.get(name) ?? 0) < 3)).toEqual([]);
    for (const name of names.slice(1)) await store.delete('topics', name);
    expect(await store.sample('topics', 4, 'b')).toEqual([['b 0', 'of b 0']]);
    await store.put('topics', 'b new', 'x', 10);
    expect(sorted(await store.sample('topics', 4, 'b'))).toEqual(['b 0', 'b new']);
  });

  it('hands a message to everyone who listens on its channel, and tells how many they are', async () => {
    const { store } = await open();
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
    const { store } = await open();
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

  it('keeps any text as it is', async () => {
    const { store } = await open();
    const texts = ['', ' ', '{"ports":[1,2]}', 'ä€😀', 'a\r\nb', '\0', '-1', '%d'];
    for (const [index, text] of texts.entries()) await store.put('candidates', `10.0.0.1 ${index}`, text, 10);
    expect((await store.list('candidates', '10.0.0.1')).map(([, value]) => value).toSorted()).toEqual(texts.toSorted());
    expect(await Promise.all(texts.map(async (_, index) => store.get('candidates', `10.0.0.1 ${index}`)))).toEqual(
      texts,
    );
  });

  it('hands over the messages on a channel in the order in which they were published, and any text as it is', async () => {
    const { store } = await open();
    const one = listener();
    await store.listen('a', one);
    const texts = ['ä€😀', '', 'a b  c', ...Array.from({ length: 100 }, (_, index) => `${index}`)];
    await Promise.all(texts.map(async (text) => store.publish('a', text)));
    expect(one.messages).toEqual(texts.map((text) => `a ${text}`));
  });
}
