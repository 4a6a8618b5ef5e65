import { TestScheduler, type RunHelpers } from 'rxjs/testing';

/** What a marble spec works with: RxJS's helpers and the virtual clock itself. */
export interface Marbles extends RunHelpers {
  readonly scheduler: TestScheduler;
}

/** Runs a spec in virtual time: a marble is a millisecond, and what is expected is compared when the time is over. */
export function marbles(spec: (marbles: Marbles) => void): void {
  const scheduler = new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  });
  scheduler.run((helpers) => {
    spec({ ...helpers, scheduler });
  });
}
