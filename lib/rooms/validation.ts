import {
  catchError,
  defer,
  from,
  noop,
  of,
  take,
  timeout,
  type Observable,
  type SchedulerLike,
  type Subscription,
} from 'rxjs';
import type { JoinOptions, RoomMessage, RoomVerdict } from './interface.js';

/** A message that the application has not judged by then is left out, in milliseconds. */
const JUDGED_WITHIN_MS = 5_000;

/** Messages that the application judges at the same time. More are left out: they come faster than it judges. */
const MOST_AT_ONCE = 256;

/** Asks the application about messages. */
export class Validation {
  #atOnce = 0;

  constructor(
    readonly validate: JoinOptions['validate'],
    readonly scheduler: SchedulerLike,
  ) {}

  /**
   * Hands the verdict over: at once, unless the application takes its time. A failure counts as `ignore`.
   *
   * @returns the Subscription to the verdict, where that has not come yet.
   */
  judge(message: RoomMessage, taken: (verdict: RoomVerdict) => void): Subscription | undefined {
    const answer = this.#ask(message);
    if (typeof answer === 'string') {
      taken(answer);
      return undefined;
    }
    this.#atOnce++;
    const subscription = answer.subscribe({
      next: taken,
      error: noop,
    });
    subscription.add(() => {
      this.#atOnce--;
    });
    return subscription;
  }

  #ask(message: RoomMessage): RoomVerdict | Observable<RoomVerdict> {
    if (this.validate === undefined) return 'accept';
    if (this.#atOnce >= MOST_AT_ONCE) return 'ignore';
    try {
      const answer = this.validate(message);
      if (typeof answer === 'string') return verdictOf(answer);
      return defer(() => from(answer).pipe(take(1))).pipe(
        timeout({ first: JUDGED_WITHIN_MS, scheduler: this.scheduler }),
        catchError(() => of<RoomVerdict>('ignore')),
      );
    } catch {
      return 'ignore';
    }
  }
}

/** JavaScript may answer anything. */
function verdictOf(answer: string): RoomVerdict {
  return answer === 'accept' || answer === 'reject' ? answer : 'ignore';
}
