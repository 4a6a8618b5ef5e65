import { EMPTY, NEVER, of } from 'rxjs';
import { firstToSucceed } from '../../lib/operators/first-to-succeed.js';
import { failuresAsValue } from '../support/failures.js';
import { marbles } from '../support/marbles.js';

describe('firstToSucceed', () => {
  it('mirrors the first source to emit and unsubscribes from the others', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const a = cold('  ---a--b--|');
      const b = cold('  --c--d--|');
      const c = cold('  ----|');
      const aSubs = '   ^-!';
      const bSubs = '   ^-------!';
      const cSubs = '   ^-!';
      expectObservable(firstToSucceed([a, b, c])).toBe('--c--d--|');
      expectSubscriptions(a.subscriptions).toBe(aSubs);
      expectSubscriptions(b.subscriptions).toBe(bSubs);
      expectSubscriptions(c.subscriptions).toBe(cSubs);
    });
  });

  it('is not ended by a source that fails early', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const a = cold('  #');
      const b = cold('  -#');
      const c = cold('  ---c|');
      expectObservable(firstToSucceed([a, b, c])).toBe('---c|');
      expectSubscriptions(c.subscriptions).toBe('^---!');
    });
  });

  it('fails when the last source has, with the error of each in the order of the sources', () => {
    marbles(({ cold, expectObservable }) => {
      const a = cold('---#', undefined, 'a');
      const b = cold('-#', undefined, 'b');
      const c = cold('--#', undefined, 'c');
      expectObservable(failuresAsValue(firstToSucceed([a, b, c]))).toBe('---(f|)', { f: ['a', 'b', 'c'] });
    });
  });

  it('takes a source that completes without a value for one that failed', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(firstToSucceed([cold('-|'), cold('--b|')])).toBe('--b|');
      const failure = failuresAsValue(firstToSucceed([EMPTY, cold('#', undefined, 'b')]));
      expectObservable(failure).toBe('(f|)', { f: ['EmptyError', 'b'] });
    });
  });

  it('fails when there is nothing to try', () => {
    marbles(({ expectObservable }) => {
      expectObservable(failuresAsValue(firstToSucceed([]))).toBe('(f|)', { f: [] });
    });
  });

  it('never ends while a source neither emits nor fails', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const a = cold('  -----');
      const b = cold('  -#');
      const subs = '    ^----!';
      expectObservable(firstToSucceed([a, b, NEVER]), subs).toBe('------');
      expectSubscriptions(a.subscriptions).toBe(subs);
      expectSubscriptions(b.subscriptions).toBe('^!');
    });
  });

  it('unsubscribes from all when it is unsubscribed from', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const a = cold('  ----a|');
      const b = cold('  -----b|');
      const subs = '    ^--!';
      expectObservable(firstToSucceed([a, b]), subs).toBe('----');
      expectSubscriptions(a.subscriptions).toBe(subs);
      expectSubscriptions(b.subscriptions).toBe(subs);
    });
  });

  it('does not subscribe to those after one that emits at once', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const late = cold('-b|');
      expectObservable(firstToSucceed([of('a'), late])).toBe('(a|)');
      expectSubscriptions(late.subscriptions).toBe([]);
    });
  });

  it('passes on what befalls the winner after its first value', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(firstToSucceed([cold('-a-#'), cold('--b')])).toBe('-a-#');
      expectObservable(firstToSucceed([cold('-a-#', undefined, 'late'), cold('#')])).toBe('-a-#', undefined, 'late');
    });
  });

  it('begins anew for each subscriber', () => {
    marbles(({ cold, expectObservable }) => {
      const first = firstToSucceed([cold('#'), cold('--b|')]);
      expectObservable(first).toBe('    --b|');
      expectObservable(first, '---^').toBe('-----b|');
    });
  });
});
