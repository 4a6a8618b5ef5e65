import { Subscription, type SchedulerLike } from 'rxjs';

/** A timer that comes later than this, in milliseconds, comes in a process that was busy. */
const LATE_MS = 50;

/** Within this time, in milliseconds, sockets are read. */
const READ_MS = 1;

/**
 * Calls a function at a time. In a process that was busy, timers come before what its sockets have received meanwhile; that may be what is waited
 * for, and is read first then.
 *
 * @param at by the scheduler's clock, in milliseconds.
 * @returns what cancels it.
 *
 * @example
 * wakeAt(asyncScheduler, Date.now() + 500, () => console.log('half a second later'));
 */
export function wakeAt(scheduler: SchedulerLike, at: number, wake: () => void): Subscription {
  const waiting = new Subscription();
  const wakeOrRead = () => {
    if (scheduler.now() - at < LATE_MS) wake();
    else waiting.add(scheduler.schedule(wake, READ_MS));
  };
  waiting.add(scheduler.schedule(wakeOrRead, Math.max(0, at - scheduler.now())));
  return waiting;
}
