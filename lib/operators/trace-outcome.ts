import { defer, finalize, tap, type MonoTypeOperatorFunction, type SchedulerLike } from 'rxjs';
import { reasonOf } from '../errors.js';

/** How something ended, or that it began. */
export interface Outcome {
  /** `cancelled` when it was given up before it ended: another was faster, or nobody needed it any more. */
  readonly outcome: 'started' | 'succeeded' | 'failed' | 'cancelled';
  /** Since it began, in milliseconds. */
  readonly elapsedMs: number;
  /** Why it failed, in words. */
  readonly reason?: string;
}

/**
 * Tells when a source is subscribed to and how it ends: its first value is its success, unsubscribing before that cancels
 * it.
 */
export function traceOutcome<T>(
  scheduler: SchedulerLike,
  tell: (outcome: Outcome) => void,
): MonoTypeOperatorFunction<T> {
  return (source) =>
    defer(() => {
      const start = scheduler.now();
      let settled = false;
      const settle = (outcome: Outcome['outcome'], reason?: string) => {
        if (settled) return;
        settled = outcome !== 'started';
        tell({ outcome, elapsedMs: Math.round(scheduler.now() - start), ...(reason !== undefined && { reason }) });
      };
      settle('started');
      return source.pipe(
        tap({
          next: () => {
            settle('succeeded');
          },
          error: (error: unknown) => {
            settle('failed', reasonOf(error));
          },
        }),
        finalize(() => {
          settle('cancelled');
        }),
      );
    });
}
