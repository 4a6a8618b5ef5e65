import { memoryStore } from '../../../servers/store/memory.js';
import { specifyStore } from './store-contract.js';

/** A store with a clock that a spec turns. */
function open({ maxEntries = 100, random = Math.random } = {}) {
  const clock = { now: 0 };
  return { clock, store: memoryStore({ maxEntries, now: () => clock.now, random }) };
}

describe('the store in memory', () => {
  specifyStore((options) => Promise.resolve(open(options)));

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

  it('samples entries at random', async () => {
    const keys = ['a', 'b', 'c', 'd'];
    const firstBy = async (chance: number) => {
      const { store } = open({ random: () => chance });
      for (const key of keys) await store.put('unls', key, key, 10);
      return (await store.sample('unls', 1))[0]?.[0];
    };
    expect(await Promise.all([0, 0.25, 0.5, 0.75].map(firstBy))).toEqual(keys);
  });
});
