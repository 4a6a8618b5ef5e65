import { Latest } from '../../lib/operators/latest.js';
import { record } from '../support/record.js';

describe('The latest value of something', () => {
  it('goes to each subscriber, with those that follow', () => {
    const latest = new Latest<number>();
    const early = record(latest.value$);
    expect([latest.value, early.values]).toEqual([undefined, []]);
    latest.next(1);
    latest.next(2);
    const late = record(latest.value$);
    latest.next(3);
    expect([latest.value, early.values, late.values]).toEqual([3, [1, 2, 3], [2, 3]]);
  });

  it('goes also to those who come when no more will follow, unless it was forgotten', () => {
    const [kept, forgotten, never] = [new Latest<number>(), new Latest<number>(), new Latest<number>()];
    kept.next(1);
    forgotten.next(1);
    const early = record(kept.value$);
    forgotten.forget();
    for (const latest of [kept, forgotten, never]) {
      latest.complete();
      latest.next(2);
    }
    expect([early.values, early.isCompleted]).toEqual([[1], true]);
    const late = [kept, forgotten, never].map(({ value$ }) => record(value$));
    expect(late.map(({ values, isCompleted }) => [values, isCompleted])).toEqual([
      [[1], true],
      [[], true],
      [[], true],
    ]);
  });

  it('goes no more to a subscriber that has left, be it within the call', () => {
    const latest = new Latest<number>();
    latest.next(1);
    const values: number[] = [];
    const first = latest.value$.subscribe((value) => {
      values.push(value);
    });
    first.unsubscribe();
    const second = latest.value$.subscribe((value) => {
      values.push(value * 10);
      if (value === 2) second.unsubscribe();
    });
    latest.next(2);
    latest.next(3);
    expect(values).toEqual([1, 10, 20]);
  });
});
