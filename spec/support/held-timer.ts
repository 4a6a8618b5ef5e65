import { asyncScheduler, Subscription, type SchedulerAction, type SchedulerLike } from 'rxjs';

/**
 * The scheduler of a node whose timers of one length end when the spec says so. So a spec waits for what comes before, however long
 * that takes on a busy machine, and whatever is not told to end has all the time that it needs.
 */
export class HeldTimer {
  readonly #armed: (() => void)[] = [];
  #waiting: (() => void) | undefined;
  readonly scheduler: SchedulerLike;

  /** @param ms the length of the timers that are held; others run as always. */
  constructor(ms: number) {
    this.scheduler = {
      now: () => asyncScheduler.now(),
      schedule: <T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T) => {
        if (delay !== ms) return asyncScheduler.schedule(work, delay, state);
        const timer = new Subscription();
        this.#armed.push(() => {
          if (!timer.closed) timer.add(asyncScheduler.schedule(work, 0, state));
        });
        this.#waiting?.();
        return timer;
      },
    };
  }

  /** Ends the first of the timers that are held, as soon as there is one. */
  async end(): Promise<void> {
    (await this.#first())?.();
  }

  /** Leaves the first of them to its work, as soon as there is one. */
  async skip(): Promise<void> {
    await this.#first();
  }

  async #first(): Promise<(() => void) | undefined> {
    if (this.#armed.length === 0) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    return this.#armed.shift();
  }
}
