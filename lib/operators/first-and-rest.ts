import { Observable, ReplaySubject, Subscription, switchMap, type MonoTypeOperatorFunction } from 'rxjs';

/**
 * Emits the first value and completes; the source goes on by itself for as long as it is of use. Unsubscribed from before the
 * first value, it is unsubscribed from the source, too. What the source emits or fails with later is nobody's.
 *
 * @param whileOf what the source goes on for: it is unsubscribed from when that completes.
 *
 * @example
 * link$.pipe(firstAndRest(() => timer(1000))).subscribe(); // for another second
 */
export function firstAndRest<T>(whileOf: (first: T) => Observable<unknown>): MonoTypeOperatorFunction<T> {
  return (source) =>
    new Observable((subscriber) => {
      const rest = new Subscription();
      const first = new ReplaySubject<T>(1);
      let hasFirst = false;
      const giveUp = () => {
        rest.unsubscribe();
      };
      subscriber.add(() => {
        if (!hasFirst) giveUp();
      });
      rest.add(first.pipe(switchMap(whileOf)).subscribe({ error: giveUp, complete: giveUp }));
      rest.add(
        source.subscribe({
          next: (value) => {
            if (hasFirst) return;
            hasFirst = true;
            first.next(value);
            first.complete();
            subscriber.next(value);
            subscriber.complete();
          },
          error: (error: unknown) => {
            subscriber.error(error);
          },
          complete: () => {
            subscriber.complete();
          },
        }),
      );
    });
}
