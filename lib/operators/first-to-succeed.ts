import { Observable, throwIfEmpty, type Subscription } from 'rxjs';

/**
 * Like RxJS's `race`, but a source that fails does not end the race: the first to emit wins and is mirrored, the others
 * are unsubscribed from. Fails only when all have failed.
 *
 * @throws AggregateError with the error of each source, in the order of the sources. A source that completes without
 * emitting has failed with RxJS's EmptyError. No sources at all is a failure, too.
 *
 * @example
 * firstToSucceed([throwError(() => new Error('a')), timer(10)]).subscribe(console.log); // 0
 */
export function firstToSucceed<T>(sources: readonly Observable<T>[]): Observable<T> {
  return new Observable((subscriber) => {
    const errors: unknown[] = new Array<unknown>(sources.length).fill(undefined);
    const running = new Map<number, Subscription>();
    let left = sources.length;
    let winner: number | undefined;
    if (left === 0) subscriber.error(new AggregateError(errors, 'There was nothing to try'));
    for (const [index, source] of sources.entries()) {
      // Those after one that emits at once are not subscribed to.
      if (winner !== undefined || subscriber.closed) break;
      const fail = (error: unknown) => {
        errors[index] = error;
        if (winner === index) subscriber.error(error);
        else if (--left === 0) subscriber.error(new AggregateError(errors, 'Every try failed'));
      };
      const subscription = source.pipe(throwIfEmpty()).subscribe({
        next: (value) => {
          if (winner === undefined) {
            winner = index;
            running.delete(index);
            for (const other of running.values()) other.unsubscribe();
          }
          subscriber.next(value);
        },
        error: fail,
        complete: () => {
          subscriber.complete();
        },
      });
      running.set(index, subscription);
      subscriber.add(subscription);
    }
  });
}
