import fc from 'fast-check';
import { Queue } from '../../lib/bounds/queue.js';

describe('a queue', () => {
  it('gives what came first, in whatever order it is filled and emptied', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat())), (steps) => {
        const [queue, model] = [new Queue<number>(), [] as number[]];
        for (const step of steps) {
          throwUnless(queue.next).toBe(model[0]);
          if (step === null) throwUnless(queue.take()).toBe(model.splice(0, 1)[0]);
          else {
            queue.push(step);
            model.push(step);
          }
          throwUnless(queue.length).toBe(model.length);
        }
        throwUnless(queue.takeAll()).toEqual(model);
        throwUnless([queue.length, queue.next, queue.take()]).toEqual([0, undefined, undefined]);
      }),
    );
  });

  it('gives what came last, too, and nothing that was taken before', () => {
    const queue = new Queue<number>();
    for (const item of [1, 2, 3]) queue.push(item);
    expect([queue.take(), queue.takeNewest(), queue.takeNewest(), queue.takeNewest()]).toEqual([1, 3, 2, undefined]);
    queue.push(4);
    expect([queue.length, queue.take(), queue.takeNewest()]).toEqual([1, 4, undefined]);
  });
});
