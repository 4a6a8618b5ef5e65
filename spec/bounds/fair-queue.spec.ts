import fc from 'fast-check';
import { FairQueue } from '../../lib/bounds/fair-queue.js';

describe('A queue that sites share', () => {
  function drain<T>(queue: FairQueue<T>): T[] {
    const served: T[] = [];
    for (let next = queue.next(); next !== undefined; next = queue.next()) served.push(next);
    return served;
  }

  it('serves what one sender has added in its order', () => {
    const queue = new FairQueue<number>(10);
    for (const entry of [1, 2, 3]) expect(queue.add('site', 'sender', entry)).toBeUndefined();
    expect(drain(queue)).toEqual([1, 2, 3]);
    expect(queue.size).toBe(0);
  });

  it('serves sites by turns, and the senders of a site', () => {
    const queue = new FairQueue<string>(100);
    for (const index of [1, 2, 3]) queue.add('flood', 'a', `a${index}`);
    for (const index of [1, 2, 3]) queue.add('flood', 'b', `b${index}`);
    for (const index of [1, 2]) queue.add('friend', 'f', `f${index}`);
    expect(drain(queue)).toEqual(['a1', 'f1', 'b1', 'f2', 'a2', 'b2', 'a3', 'b3']);
  });

  it('serves a newcomer after one entry of each other site at most', () => {
    const queue = new FairQueue<string>(1_000);
    for (let index = 0; index < 300; index++) queue.add(`site ${index % 30}`, 'x', 'flood');
    queue.next();
    queue.add('friend', 'f', 'friend');
    expect(drain(queue).indexOf('friend')).toBe(30);
  });

  it('evicts, when full, the newest entry of the largest sender of the largest site', () => {
    const queue = new FairQueue<string>(6);
    for (const index of [1, 2, 3]) queue.add('office', 'flood', `flood ${index}`);
    queue.add('office', 'colleague', 'colleague');
    for (const index of [1, 2]) queue.add('home', 'friend', `friend ${index}`);
    expect(queue.add('elsewhere', 'newcomer', 'newcomer')).toBe('flood 3');
    expect(queue.add('office', 'flood', 'flood 4')).toBe('flood 4');
    expect(queue.size).toBe(6);
    expect(drain(queue)).toEqual(['flood 1', 'friend 1', 'newcomer', 'colleague', 'friend 2', 'flood 2']);
  });

  it('never exceeds its length, and returns every entry that it drops', () => {
    const step = fc.option(fc.tuple(fc.integer({ max: 3, min: 0 }), fc.integer({ max: 3, min: 0 })));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new FairQueue<number>(8);
        const waiting = new Set<number>();
        for (const [index, add] of steps.entries()) {
          if (add !== null) waiting.add(index);
          const out = add === null ? queue.next() : queue.add(`${add[0]}`, `${add[1]}`, index);
          if (out !== undefined) throwUnless(waiting.delete(out)).toBeTrue();
          throwUnless(queue.size).toBe(waiting.size);
          throwUnless(waiting.size <= 8).toBeTrue();
        }
        throwUnless(new Set(drain(queue))).toEqual(waiting);
      }),
    );
  });
});
