import { exhaustMap, throwError, timer } from 'rxjs';
import { untroubled } from '../../lib/operators/untroubled.js';
import { marbles } from '../support/marbles.js';

describe('untroubled', () => {
  it('completes where the source fails', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('-a-#').pipe(untroubled())).toBe('-a-|');
      expectObservable(throwError(() => new Error('anything')).pipe(untroubled())).toBe('|');
    });
  });

  it('mirrors a source that does not fail', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('a-b');
      expectObservable(cold('-a-b|').pipe(untroubled())).toBe('-a-b|');
      expectObservable(source.pipe(untroubled()), '^--!').toBe('a-b-');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  it('keeps what looks from time to time alive', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      const looks = [cold('#'), cold('-b|'), cold('-#')];
      const looking$ = timer(0, 3, scheduler).pipe(
        exhaustMap((index) => (looks[index] ?? cold('d')).pipe(untroubled())),
      );
      expectObservable(looking$, '^ 10ms !').toBe('----b----d-');
    });
  });
});
