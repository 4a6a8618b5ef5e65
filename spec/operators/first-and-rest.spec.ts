import { EMPTY, NEVER, throwError } from 'rxjs';
import { firstAndRest } from '../../lib/operators/first-and-rest.js';
import { marbles } from '../support/marbles.js';

describe('firstAndRest', () => {
  it('emits the first value and completes, and the source goes on until the other Observable completes', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--a-b-c-d-e');
      expectObservable(source.pipe(firstAndRest(() => cold('-x-x-|')))).toBe('--(a|)');
      expectSubscriptions(source.subscriptions).toBe('^------!');
    });
  });

  it('passes the first value to the function', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-b-------', { b: 3 });
      expectObservable(source.pipe(firstAndRest((ms) => cold(`${ms}ms |`)))).toBe('-(b|)', { b: 3 });
      expectSubscriptions(source.subscriptions).toBe('^---!');
    });
  });

  it('unsubscribes from the source when that is unsubscribed from before the first value', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-----a');
      expectObservable(source.pipe(firstAndRest(() => NEVER)), '^--!').toBe('----');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  it('is at its end with the source when there is no value, or an error first', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('--|').pipe(firstAndRest(() => NEVER))).toBe('--|');
      expectObservable(cold('--#').pipe(firstAndRest(() => NEVER))).toBe('--#');
    });
  });

  it('ignores errors and completion of the source after the first value', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      for (const rest of ['-a-#', '-a-|']) {
        const source = cold(rest);
        expectObservable(source.pipe(firstAndRest(() => NEVER))).toBe('-(a|)');
        expectSubscriptions(source.subscriptions).toBe('^--!');
      }
    });
  });

  it('unsubscribes from the source at once when the other Observable completes at once or fails', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      for (const use$ of [EMPTY, throwError(() => new Error('unknown'))]) {
        const source = cold('-a-b-c');
        expectObservable(source.pipe(firstAndRest(() => use$))).toBe('-(a|)');
        expectSubscriptions(source.subscriptions).toBe('^!');
      }
    });
  });
});
