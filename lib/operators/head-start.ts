import { defer, Observable, type SchedulerLike, type Subscription } from 'rxjs';
import { firstToSucceed } from './first-to-succeed.js';

/** Joins the started sources to one Observable. */
type Join = <T>(sources: readonly Observable<T>[]) => Observable<T>;

/**
 * Tries sources in order of preference, none waiting for the failure of the one before: each next one starts `ms` after
 * the last, or as soon as that has failed (Connection Attempt Delay, RFC 8305 §5). The first to emit wins and is
 * mirrored, the others are unsubscribed from.
 *
 * @param ms the head start of each source over the next, in milliseconds: one for all, or of each its own. @param join joins the
 * sources. Default: a race.
 * @throws AggregateError with the error of each source, in their order, when all have failed.
 *
 * @example
 * headStart([dial$(ipv6), dial$(ipv4)], 250, asyncScheduler).subscribe();
 */
export function headStart<T>(
  sources: readonly Observable<T>[],
  ms: number | readonly number[],
  scheduler: SchedulerLike,
  join: Join = firstToSucceed,
): Observable<T> {
  return defer(() => {
    const turns = sources.slice(1).map(() => new Turn(scheduler));
    const msAfter = (index: number) => (typeof ms === 'number' ? ms : (ms[index] ?? 0));
    return join(
      sources.map((source, index) => {
        const started$ = withNext(source, turns[index], msAfter(index));
        return turns[index - 1]?.of(started$) ?? started$;
      }),
    );
  });
}

/** A source after whose start the next one's turn comes: some milliseconds later, or when this one has failed. */
function withNext<T>(source: Observable<T>, next: Turn | undefined, ms: number): Observable<T> {
  if (next === undefined) return source;
  return new Observable((subscriber) => {
    let isEmpty = true;
    subscriber.add(
      source.subscribe({
        next: (value) => {
          isEmpty = false;
          subscriber.next(value);
        },
        error: (error: unknown) => {
          next.come();
          subscriber.error(error);
        },
        complete: () => {
          if (isEmpty) next.come();
          subscriber.complete();
        },
      }),
    );
    next.comeAfter(ms);
  });
}

/** When a source starts. */
class Turn {
  #start: (() => void) | undefined;
  #clock: Subscription | undefined;
  #ms: number | undefined;
  #hasCome = false;

  constructor(readonly scheduler: SchedulerLike) {}

  /** A source that starts when its turn has come. */
  of<T>(source: Observable<T>): Observable<T> {
    return new Observable((subscriber) => {
      this.#start = () => {
        if (!subscriber.closed) subscriber.add(source.subscribe(subscriber));
      };
      if (this.#hasCome) this.#start();
      else if (this.#ms !== undefined) this.comeAfter(this.#ms);
      return () => {
        this.#clock?.unsubscribe();
      };
    });
  }

  /** Its turn has come. */
  come(): void {
    if (this.#hasCome) return;
    this.#hasCome = true;
    this.#clock?.unsubscribe();
    this.#start?.();
  }

  /** Its turn comes after a time in milliseconds, which only runs while anybody waits for it. */
  comeAfter(ms: number): void {
    this.#ms = ms;
    if (this.#hasCome || this.#start === undefined) return;
    this.#clock = this.scheduler.schedule(() => {
      this.come();
    }, ms);
  }
}
