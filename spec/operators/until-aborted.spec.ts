import { getEventListeners } from 'node:events';
import { NEVER, of } from 'rxjs';
import { ClosedError } from '../../lib/errors.js';
import { untilAborted } from '../../lib/operators/until-aborted.js';
import { marbles } from '../support/marbles.js';
import { record } from '../support/record.js';

describe('untilAborted', () => {
  it('changes nothing without a signal, or with one that is never aborted', () => {
    marbles(({ cold, expectObservable }) => {
      for (const signal of [undefined, new AbortController().signal]) {
        expectObservable(cold('-a-|').pipe(untilAborted(signal))).toBe('-a-|');
        expectObservable(cold('-#').pipe(untilAborted(signal))).toBe('  -#');
        expectObservable(cold('|').pipe(untilAborted(signal))).toBe('   |');
      }
    });
  });

  it('unsubscribes from the source and fails when the signal is aborted', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const abort = new AbortController();
      const source = cold('-a-b-c-');
      scheduler.schedule(() => {
        abort.abort();
      }, 4);
      expectObservable(source.pipe(untilAborted(abort.signal))).toBe(
        '-a-b#',
        undefined,
        new ClosedError('It was aborted'),
      );
      expectSubscriptions(source.subscriptions).toBe('               ^---!');
    });
  });

  it('does not subscribe to the source when the signal is aborted already', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('a');
      expectObservable(source.pipe(untilAborted(AbortSignal.abort()))).toBe(
        '#',
        undefined,
        new ClosedError('It was aborted'),
      );
      expectSubscriptions(source.subscriptions).toBe([]);
    });
  });

  it('keeps the reason of the signal as the cause', () => {
    const abort = new AbortController();
    const recording = record(NEVER.pipe(untilAborted(abort.signal)));
    abort.abort('changed my mind');
    expect(recording.error).toBeInstanceOf(ClosedError);
    expect(recording.error).toEqual(jasmine.objectContaining({ code: 'CLOSED', cause: 'changed my mind' }));
  });

  it('leaves no listener behind, however it ends', () => {
    const { signal } = new AbortController();
    const listeners = () => getEventListeners(signal, 'abort').length;
    record(of(1).pipe(untilAborted(signal)));
    expect(listeners()).toBe(0);

    const { subscription } = record(NEVER.pipe(untilAborted(signal)));
    expect(listeners()).toBe(1);
    subscription.unsubscribe();
    expect(listeners()).toBe(0);

    const aborted = AbortSignal.abort();
    record(NEVER.pipe(untilAborted(aborted)));
    expect(getEventListeners(aborted, 'abort')).toEqual([]);
  });
});
