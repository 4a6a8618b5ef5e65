import { EMPTY, NEVER, of } from 'rxjs';
import { headStart } from '../../lib/operators/head-start.js';
import { mergeSuccesses } from '../../lib/operators/merge-successes.js';
import { failuresAsValue } from '../support/failures.js';
import { marbles } from '../support/marbles.js';

describe('headStart', () => {
  it('starts each source a while after the one before, while none has emitted', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const [a, b, c] = [cold('-----------'), cold('-----------'), cold('----c|')];
      expectObservable(headStart([a, b, c], 3, scheduler)).toBe('----------c|');
      expectSubscriptions(a.subscriptions).toBe('^---------!');
      expectSubscriptions(b.subscriptions).toBe('---^------!');
      expectSubscriptions(c.subscriptions).toBe('------^----!');
    });
  });

  it('does not start those that come after a winner', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const [a, b, c] = [cold('----a|'), cold('------'), cold('-c|')];
      expectObservable(headStart([a, b, c], 3, scheduler)).toBe('----a|');
      expectSubscriptions(a.subscriptions).toBe('^----!');
      expectSubscriptions(b.subscriptions).toBe('---^!');
      expectSubscriptions(c.subscriptions).toBe([]);
    });
  });

  it('starts the next at once when the one before has failed, and those after it the same while later', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const [a, b, c] = [cold('-#'), cold('---------'), cold('--c|')];
      expectObservable(headStart([a, b, c], 3, scheduler)).toBe('------c|');
      expectSubscriptions(a.subscriptions).toBe('^!');
      expectSubscriptions(b.subscriptions).toBe('-^----!');
      expectSubscriptions(c.subscriptions).toBe('----^--!');
    });
  });

  it('lets one that has started go on, and starts none before its turn when another fails', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const [a, b, c] = [cold('----#'), cold('--------b|'), cold('-------')];
      expectObservable(headStart([a, b, c], 3, scheduler)).toBe('-----------b|');
      expectSubscriptions(a.subscriptions).toBe('^---!');
      expectSubscriptions(c.subscriptions).toBe('------^----!');
    });
  });

  it('is over at once when all fail at once, with the error of each in their order', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      const failures = ['a', 'b', 'c'].map((reason) => cold('#', undefined, reason));
      expectObservable(failuresAsValue(headStart(failures, 3, scheduler))).toBe('(f|)', { f: ['a', 'b', 'c'] });
    });
  });

  it('fails when the last has, whichever that is', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      const sources = [cold('------#', undefined, 'a'), cold('-#', undefined, 'b')];
      expectObservable(failuresAsValue(headStart(sources, 3, scheduler))).toBe('------(f|)', { f: ['a', 'b'] });
    });
  });

  it('takes a source that completes without a value for one that failed', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const b = cold('-b|');
      expectObservable(headStart([EMPTY, b], 3, scheduler)).toBe('-b|');
      expectSubscriptions(b.subscriptions).toBe('^-!');
      expectObservable(failuresAsValue(headStart([EMPTY], 3, scheduler))).toBe('(f|)', { f: ['EmptyError'] });
      expectObservable(failuresAsValue(headStart([], 3, scheduler))).toBe('(f|)', { f: [] });
    });
  });

  it('stops its clock when it is unsubscribed from, and unsubscribes from all that have started', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const [a, b, c] = [cold('-'), cold('-'), cold('-')];
      expectObservable(headStart([a, b, c], 3, scheduler), '^---!').toBe('-----');
      expectSubscriptions(a.subscriptions).toBe('^---!');
      expectSubscriptions(b.subscriptions).toBe('---^!');
      expectSubscriptions(c.subscriptions).toBe([]);
    });
  });

  it('emits at once, with no clock, what the first has at once', () => {
    marbles(({ expectObservable, scheduler }) => {
      expectObservable(headStart([of('a'), NEVER], 3, scheduler)).toBe('(a|)');
    });
  });

  it('passes on what befalls the winner after its first value', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      expectObservable(headStart([cold('-a-#'), NEVER], 3, scheduler)).toBe('-a-#');
    });
  });

  it('gives each source a head start of its own', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const [a, b, c, d] = [cold('-'), cold('-'), cold('-'), cold('-d|')];
      expectObservable(headStart([a, b, c, d], [2, 0, 5], scheduler)).toBe('--------d|');
      for (const { subscriptions } of [b, c]) expectSubscriptions(subscriptions).toBe('--^-----!');
      expectSubscriptions(d.subscriptions).toBe('-------^-!');
    });
  });

  it('starts the next at once where no head start is given for one', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const [a, b] = [cold('-'), cold('-b|')];
      expectObservable(headStart([a, b], [], scheduler)).toBe('-b|');
      expectSubscriptions(a.subscriptions).toBe('^!');
    });
  });

  it('joins them otherwise than by a race where that is asked for: those behind start although one has emitted', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const [a, b, c] = [cold('-a---|'), cold('--#'), cold('-c|')];
      expectObservable(headStart([a, b, c], [3, 9], scheduler, mergeSuccesses)).toBe('-a----c|');
      expectSubscriptions(a.subscriptions).toBe('^----!');
      expectSubscriptions(b.subscriptions).toBe('---^-!');
      expectSubscriptions(c.subscriptions).toBe('-----^-!');
    });
  });
});
