import { EMPTY, NEVER, of, throwError } from 'rxjs';
import { goOnWith } from '../../lib/operators/go-on-with.js';
import { marbles } from '../support/marbles.js';

describe('goOnWith', () => {
  it('mirrors the Observable that the first value leads to, and leaves the source then', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const next$ = cold('x-y-(z|)');
      const source$ = cold('--a-b-');
      expectObservable(source$.pipe(goOnWith(() => next$))).toBe('--x-y-(z|)');
      expectSubscriptions(source$.subscriptions).toBe('^-!');
      expectSubscriptions(next$.subscriptions).toBe('--^---!');
    });
  });

  it('ends as its source does where that has no value', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('--|').pipe(goOnWith(() => NEVER))).toBe('--|');
      expectObservable(cold('--#').pipe(goOnWith(() => NEVER))).toBe('--#');
      expectObservable(EMPTY.pipe(goOnWith(() => NEVER))).toBe('|');
    });
  });

  it('fails where the Observable fails or cannot be made', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('-a').pipe(goOnWith(() => cold('-#')))).toBe('--#');
      const make = () => {
        throw new Error('no');
      };
      expectObservable(cold('-a').pipe(goOnWith(make))).toBe('-#', undefined, new Error('no'));
      expectObservable(throwError(() => new Error('no')).pipe(goOnWith(() => NEVER))).toBe(
        '#',
        undefined,
        new Error('no'),
      );
    });
  });

  it('leaves the source, and then the Observable, when it is unsubscribed from', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('----a');
      expectObservable(source$.pipe(goOnWith(() => NEVER)), '^-!').toBe('---');
      expectSubscriptions(source$.subscriptions).toBe('^-!');
      const next$ = cold('x----');
      expectObservable(of('a').pipe(goOnWith(() => next$)), '^-!').toBe('x--');
      expectSubscriptions(next$.subscriptions).toBe('^-!');
    });
  });
});
