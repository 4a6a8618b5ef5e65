import { EMPTY, NEVER } from 'rxjs';
import { firstInOrder } from '../../lib/operators/first-in-order.js';
import { marbles } from '../support/marbles.js';

describe('firstInOrder', () => {
  it('mirrors the first source that emits, and subscribes to none after it', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const a = cold('--#');
      const b = cold('-|');
      const c = cold('-c-d|');
      const d = cold('-e|');
      expectObservable(firstInOrder([a, b, c, d])).toBe('----c-d|');
      expectSubscriptions(a.subscriptions).toBe('^-!');
      expectSubscriptions(b.subscriptions).toBe('--^!');
      expectSubscriptions(c.subscriptions).toBe('---^---!');
      expectSubscriptions(d.subscriptions).toBe([]);
    });
  });

  it('fails with the source that it mirrors', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const b = cold('-b|');
      expectObservable(firstInOrder([cold('-a-#', undefined, 'a'), b])).toBe('-a-#', undefined, 'a');
      expectSubscriptions(b.subscriptions).toBe([]);
    });
  });

  it('fails as the first to fail did when none emits', () => {
    marbles(({ cold, expectObservable }) => {
      const sources = [cold('-|'), cold('-#', undefined, 'b'), cold('-#', undefined, 'c')];
      expectObservable(firstInOrder(sources)).toBe('---#', undefined, 'b');
    });
  });

  it('fails with an EmptyError when there is nothing to try, or nothing in it', () => {
    for (const sources of [[], [EMPTY, EMPTY]]) {
      let failure: unknown;
      firstInOrder(sources).subscribe({
        error: (error: unknown) => {
          failure = error;
        },
      });
      expect(failure).toEqual(jasmine.objectContaining({ name: 'EmptyError' }));
    }
  });

  it('unsubscribes from the source of the moment', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const a = cold('  -a--b');
      expectObservable(firstInOrder([a, NEVER]), '^--!').toBe('-a--');
      expectSubscriptions(a.subscriptions).toBe('^--!');
    });
  });

  it('tries anew for each subscriber', () => {
    marbles(({ cold, expectObservable }) => {
      const first$ = firstInOrder([cold('-#'), cold('-a|')]);
      expectObservable(first$).toBe('--a|');
      expectObservable(first$, '-----^').toBe('-------a|');
    });
  });
});
