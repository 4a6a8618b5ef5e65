import { EMPTY, of } from 'rxjs';
import { mergeSuccesses } from '../../lib/operators/merge-successes.js';
import { failuresAsValue } from '../support/failures.js';
import { marbles } from '../support/marbles.js';

describe('mergeSuccesses', () => {
  it('emits what any source emits, as it comes', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(mergeSuccesses([cold('-a--c|'), cold('--b|')])).toBe('-ab-c|');
    });
  });

  it('goes on with the others when one fails, before or after it has emitted', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(mergeSuccesses([cold('-#'), cold('--b|')])).toBe('--b|');
      expectObservable(mergeSuccesses([cold('-a-#'), cold('------b|')])).toBe('-a----b|');
      expectObservable(mergeSuccesses([cold('-a-#'), cold('--#')])).toBe('-a-|');
    });
  });

  it('fails when all have ended and none has emitted, with the error of each in their order', () => {
    marbles(({ cold, expectObservable }) => {
      const sources = [cold('---#', undefined, 'a'), cold('-#', undefined, 'b'), cold('--|')];
      expectObservable(failuresAsValue(mergeSuccesses(sources))).toBe('---(f|)', { f: ['a', 'b', 'EmptyError'] });
      expectObservable(failuresAsValue(mergeSuccesses([EMPTY]))).toBe('(f|)', { f: ['EmptyError'] });
      expectObservable(failuresAsValue(mergeSuccesses([]))).toBe('(f|)', { f: [] });
    });
  });

  it('unsubscribes from all when it is unsubscribed from', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const [a, b] = [cold('-a---'), cold('-----')];
      expectObservable(mergeSuccesses([a, b]), '^--!').toBe('-a--');
      for (const { subscriptions } of [a, b]) expectSubscriptions(subscriptions).toBe('^--!');
    });
  });

  it('remembers nothing from one subscription to the next', () => {
    marbles(({ expectObservable, cold }) => {
      const merged$ = mergeSuccesses([cold('#'), of('b')]);
      expectObservable(merged$).toBe('(b|)');
      expectObservable(merged$).toBe('(b|)');
    });
  });
});
