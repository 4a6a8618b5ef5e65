import { Sampled } from '../../../servers/store/sampled.js';

describe('Sampled', () => {
  function sampledOf(...items: readonly string[]): Sampled<string> {
    const sampled = new Sampled<string>(Math.random);
    for (const item of items) sampled.add(item);
    return sampled;
  }

  it('has each thing once, in any order', () => {
    const sampled = sampledOf('a', 'b', 'c', 'a');
    expect(sampled.size).toBe(3);
    const orders = Array.from({ length: 200 }, () => [...sampled.inRandomOrder()]);
    for (const order of orders) expect(order.toSorted()).toEqual(['a', 'b', 'c']);
    expect(new Set(orders.map((order) => order.join(''))).size).toBe(6);
  });

  it('forgets what is taken out, also while it is gone through', () => {
    const sampled = sampledOf('a', 'b', 'c', 'd');
    sampled.delete('b');
    sampled.delete('b');
    const seen: string[] = [];
    for (const item of sampled.inRandomOrder()) {
      seen.push(item);
      if (item !== 'c') sampled.delete(item);
    }
    expect(seen.sort()).toEqual(['a', 'c', 'd']);
    expect([...sampled.inRandomOrder()]).toEqual(['c']);
  });

  it('asks for no more random numbers than it yields', () => {
    let asked = 0;
    const sampled = new Sampled<string>(() => {
      asked++;
      return 0;
    });
    for (let i = 0; i < 1_000; i++) sampled.add(`${i}`);
    const [first] = sampled.inRandomOrder();
    expect(first).toBe('0');
    expect(asked).toBe(1);
  });
});
