import { exhaustMap, throwError, timer } from 'rxjs';
import { ignoreErrors } from '../../lib/operators/ignore-errors.js';
import { marbles } from '../support/marbles.js';

describe('ignoreErrors', () => {
  it('completes where the source fails', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('-a-#').pipe(ignoreErrors())).toBe('-a-|');
      expectObservable(throwError(() => new Error('anything')).pipe(ignoreErrors())).toBe('|');
    });
  });

  it('mirrors a source that does not fail', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('a-b');
      expectObservable(cold('-a-b|').pipe(ignoreErrors())).toBe('-a-b|');
      expectObservable(source.pipe(ignoreErrors()), '^--!').toBe('a-b-');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  it('keeps a repeated poll running', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      const looks = [cold('#'), cold('-b|'), cold('-#')];
      const looking$ = timer(0, 3, scheduler).pipe(
        exhaustMap((index) => (looks[index] ?? cold('d')).pipe(ignoreErrors())),
      );
      expectObservable(looking$, '^ 10ms !').toBe('----b----d-');
    });
  });
});
