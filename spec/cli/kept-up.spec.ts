import { defer, map, of, throwError } from 'rxjs';
import { keptUp$ } from '../../lib/cli/kept-up.js';
import { CLOSED_HERE } from '../../lib/connection/close-reason.js';
import { marbles } from '../support/marbles.js';

describe('A connection that is kept up', () => {
  it('is made anew with pauses that grow while that fails, and are short again once it was there', () => {
    const [begun, failures]: [number[], unknown[]] = [[], []];
    marbles(({ cold, expectObservable, scheduler }) => {
      const endsAfter = (ms: number) => ({ closed$: cold(`${ms}ms (a|)`).pipe(map(() => CLOSED_HERE)) });
      const fails$ = throwError(() => new Error('refused'));
      const tries = [fails$, fails$, of(endsAfter(50))];
      const connect$ = defer(() => tries[begun.push(scheduler.now()) - 1] ?? fails$);
      const onFailure = (error: unknown) => failures.push(error);
      const kept$ = keptUp$(endsAfter(10), { connect$, onFailure }, () => 0);
      expectObservable(kept$, '10s !').toBe('');
    });
    expect(begun).toEqual([10, 510, 1_510, 2_060, 3_060, 5_060, 9_060]);
    expect(failures.length).toBe(6);
  });
});
