import { EMPTY, merge, NEVER, of, throwError } from 'rxjs';
import { takeTurns } from '../../lib/operators/take-turns.js';
import { marbles } from '../support/marbles.js';

describe('takeTurns', () => {
  it('subscribes to each source when the one before has completed', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const turn = takeTurns();
      const [a, b, c] = [cold('-a-|'), cold('b|'), cold('--c|')];
      expectObservable(merge(turn(a), turn(b), turn(c))).toBe('-a-b--c|');
      expectSubscriptions(a.subscriptions).toBe('^--!');
      expectSubscriptions(b.subscriptions).toBe('---^!');
      expectSubscriptions(c.subscriptions).toBe('----^--!');
    });
  });

  it('goes on when one fails', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const turn = takeTurns();
      const b = cold('-b|');
      expectObservable(turn(cold('--#'))).toBe('--#');
      expectObservable(turn(b)).toBe('---b|');
      expectSubscriptions(b.subscriptions).toBe('--^-!');
    });
  });

  it('goes on when the one whose turn it is is unsubscribed from', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const turn = takeTurns();
      const [a, b] = [cold('a----'), cold('-b|')];
      expectObservable(turn(a), '^--!').toBe('a');
      expectObservable(turn(b)).toBe('----b|');
      expectSubscriptions(a.subscriptions).toBe('^--!');
      expectSubscriptions(b.subscriptions).toBe('---^-!');
    });
  });

  it('skips sources that were unsubscribed from while waiting', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const turn = takeTurns();
      const [b, c] = [cold('b|'), cold('c|')];
      expectObservable(turn(cold('----|'))).toBe('----|');
      expectObservable(turn(b), '^-!').toBe('---');
      expectObservable(turn(c)).toBe('----c|');
      expectSubscriptions(b.subscriptions).toBe([]);
      expectSubscriptions(c.subscriptions).toBe('----^!');
    });
  });

  it('does not start the next source when a waiting one leaves', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const turn = takeTurns();
      const c = cold('c|');
      expectObservable(turn(cold('-------|'))).toBe('-------|');
      expectObservable(turn(NEVER), '^--!').toBe('---');
      expectObservable(turn(c)).toBe('-------c|');
      expectSubscriptions(c.subscriptions).toBe('-------^!');
    });
  });

  it('subscribes at once when the queue is empty, also after earlier sources', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const turn = takeTurns();
      const late = cold('-c|');
      expectObservable(merge(turn(of('a')), turn(EMPTY), turn(of('b')))).toBe('(ab|)');
      expectObservable(turn(late), '---^').toBe('----c|');
      expectSubscriptions(late.subscriptions).toBe('---^-!');
    });
  });

  it('handles sources that end synchronously', () => {
    marbles(({ cold, expectObservable }) => {
      const turn = takeTurns();
      const last = cold('b|');
      expectObservable(turn(cold('--|'))).toBe('--|');
      for (const reason of ['a', 'b'].map((text) => new Error(text))) {
        expectObservable(turn(throwError(() => reason))).toBe('--#', undefined, reason);
      }
      expectObservable(turn(last)).toBe('--b|');
    });
  });

  it('waits for each subscriber anew, and is another queue each time it is made', () => {
    marbles(({ cold, expectObservable }) => {
      const turn = takeTurns();
      const twice = turn(cold('-a|'));
      expectObservable(twice).toBe('-a|');
      expectObservable(twice).toBe('---a|');
      expectObservable(takeTurns()(cold('-b|'))).toBe('-b|');
    });
  });
});
