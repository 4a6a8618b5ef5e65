import { asyncScheduler, type SchedulerAction, type SchedulerLike } from 'rxjs';

/** Timers that fire soon, and look at a clock that a spec turns. */
export function hastyScheduler(clock: { readonly now: number }): SchedulerLike {
  return {
    now: () => clock.now,
    schedule: <T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T) =>
      asyncScheduler.schedule(work, Math.min(delay, 5), state),
  };
}
