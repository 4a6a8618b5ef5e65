import { NEVER, of } from 'rxjs';
import { TimeoutError } from '../../lib/errors.js';
import { within } from '../../lib/operators/within.js';
import { marbles } from '../support/marbles.js';

describe('within', () => {
  const late = new TimeoutError('It did not answer within 3 ms');

  it('mirrors a source that emits in time, however long it takes afterwards', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const source = cold('--a------b|');
      expectObservable(source.pipe(within(3, 'It did not answer', scheduler))).toBe('--a------b|');
      expectSubscriptions(source.subscriptions).toBe('^---------!');
      expectObservable(of('a').pipe(within(3, 'It did not answer', scheduler))).toBe('(a|)');
    });
  });

  it('fails when the source has not emitted by then, and leaves it', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const source = cold('-----a');
      expectObservable(source.pipe(within(3, 'It did not answer', scheduler))).toBe('---#', undefined, late);
      expectSubscriptions(source.subscriptions).toBe('^--!');
      expectObservable(NEVER.pipe(within(3, 'It did not answer', scheduler))).toBe('---#', undefined, late);
    });
  });

  it('fails with a TimeoutError of this library, which has its code', () => {
    let error: unknown;
    marbles(({ scheduler }) => {
      NEVER.pipe(within(3, 'It did not answer', scheduler)).subscribe({
        error: (reason: unknown) => {
          error = reason;
        },
      });
    });
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toEqual(jasmine.objectContaining({ code: 'TIMEOUT' }));
  });

  it('fails with the error of a factory, called only when it is late', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      let made = 0;
      const own = () => new RangeError(`made ${++made} times`);
      expectObservable(cold('--a|').pipe(within(3, own, scheduler))).toBe('--a|');
      expectObservable(NEVER.pipe(within(3, own, scheduler))).toBe('---#', undefined, new RangeError('made 1 times'));
    });
  });

  it('lets a source end in its own way before', () => {
    marbles(({ cold, expectObservable, scheduler }) => {
      expectObservable(cold('--|').pipe(within(3, 'It did not answer', scheduler))).toBe('--|');
      expectObservable(cold('--#').pipe(within(3, 'It did not answer', scheduler))).toBe('--#');
    });
  });

  it('counts anew for each subscriber, and not at all when unsubscribed from', () => {
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const source = cold('------');
      const limited = source.pipe(within(3, 'It did not answer', scheduler));
      expectObservable(limited).toBe('---#', undefined, late);
      expectObservable(limited, '--^').toBe('-----#', undefined, late);
      expectObservable(limited, '^-!').toBe('---');
      expectSubscriptions(source.subscriptions).toBe(['^--!', '^-!', '--^--!']);
    });
  });
});
