import { timer } from 'rxjs';
import { traceOutcome, type Outcome } from '../../lib/operators/trace-outcome.js';
import { marbles } from '../support/marbles.js';
import { record } from '../support/record.js';

/** What is told of a source that does what the marbles say, unsubscribed from after `untilMs`. */
function told(source: string, untilMs = 20, error: unknown = new Error('broken')): readonly Outcome[] {
  const outcomes: Outcome[] = [];
  marbles(({ cold, expectObservable, scheduler }) => {
    const source$ = cold(source, undefined, error);
    const traced$ = source$.pipe(traceOutcome(scheduler, (outcome) => outcomes.push(outcome)));
    const subscription = `^${'-'.repeat(untilMs - 1)}!`;
    // Telling changes nothing: what comes out is what the marbles say, up to the end.
    expectObservable(traced$, subscription).toBe(source.slice(0, untilMs + 1), undefined, error);
  });
  return outcomes;
}

describe('traceOutcome', () => {
  it('tells that a source began, and when its first value came', () => {
    expect(told('--a--b--|')).toEqual([
      { outcome: 'started', elapsedMs: 0 },
      { outcome: 'succeeded', elapsedMs: 2 },
    ]);
  });

  it('tells the reason of a failure', () => {
    expect(told('---#')).toEqual([
      { outcome: 'started', elapsedMs: 0 },
      { outcome: 'failed', elapsedMs: 3, reason: 'broken' },
    ]);
  });

  it('ignores what happens after the first value', () => {
    expect(told('-a-#').map(({ outcome }) => outcome)).toEqual(['started', 'succeeded']);
    expect(told('-a---', 3).map(({ outcome }) => outcome)).toEqual(['started', 'succeeded']);
  });

  it('tells that a source was cancelled: unsubscribed from before its first value', () => {
    expect(told('------a', 4)).toEqual([
      { outcome: 'started', elapsedMs: 0 },
      { outcome: 'cancelled', elapsedMs: 4 },
    ]);
  });

  it('measures each subscription by itself', () => {
    const outcomes: Outcome[] = [];
    marbles(({ scheduler }) => {
      const traced$ = timer(2).pipe(traceOutcome(scheduler, (outcome) => outcomes.push(outcome)));
      record(traced$);
      scheduler.schedule(() => {
        record(traced$);
      }, 5);
    });
    expect(outcomes.map(({ outcome, elapsedMs }) => `${outcome} ${elapsedMs}`)).toEqual([
      'started 0',
      'succeeded 2',
      'started 0',
      'succeeded 2',
    ]);
  });

  it('tells nothing before it is subscribed to', () => {
    const outcomes: Outcome[] = [];
    marbles(({ cold, scheduler }) => {
      void cold('a').pipe(traceOutcome(scheduler, (outcome) => outcomes.push(outcome)));
    });
    expect(outcomes).toEqual([]);
  });
});
