import { whileListed } from '../../lib/operators/while-listed.js';
import { marbles } from '../support/marbles.js';

describe('whileListed', () => {
  const lists: Record<string, readonly string[]> = { 0: [], a: ['a'], b: ['b'], c: ['a', 'b'] };

  it('subscribes to what is made of each item once, until the item leaves the list', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const [a$, b$] = [cold('x-----x----x'), cold('y-----y----y')];
      const listed$ = cold('-a-c-----b---0|', lists).pipe(whileListed((item) => (item === 'a' ? a$ : b$)));
      expectObservable(listed$).toBe('-x-y---x-y----|');
      expectSubscriptions(a$.subscriptions).toBe('-^-------!');
      expectSubscriptions(b$.subscriptions).toBe('---^---------!');
    });
  });

  it('begins anew with an item that comes back, and goes on with what is under way when the list ends', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('a-0-a|', lists).pipe(whileListed(() => cold('-x--x|')))).toBe('-x---x--x|');
    });
  });

  it('fails with the source, or with what is made of an item', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('a-#', lists).pipe(whileListed(() => cold('-x--x')))).toBe('-x#');
      expectObservable(cold('a--', lists).pipe(whileListed(() => cold('-#')))).toBe('-#');
    });
  });
});
