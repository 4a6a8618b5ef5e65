import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { systemRuntime } from '../../lib/runtime.js';

/**
 * The real clock, but for timers that are long and of which a spec knows the length: they run as soon as they are told to
 * here. All others, such as those for an answer, take the time that they take.
 */
export function impatient(soonerMs: Readonly<Record<number, number>>): SchedulerLike {
  return {
    now: () => systemRuntime.scheduler.now(),
    schedule: new Proxy(asyncScheduler.schedule.bind(asyncScheduler), {
      apply: (schedule, self, [work, delay, state]: readonly unknown[]): unknown =>
        Reflect.apply(schedule, self, [work, typeof delay === 'number' ? (soonerMs[delay] ?? delay) : delay, state]),
    }),
  };
}
