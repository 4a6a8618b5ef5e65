import { Observable, ReplaySubject, Subscription, switchMap, type MonoTypeOperatorFunction } from 'rxjs';

/**
 * Emits the first value and completes, while the source goes on running for a time. Unsubscribing before the first value
 * unsubscribes from the source, too. Later values and errors of the source are ignored.
 *
 * @param whileOf makes the Observable during which the source goes on: when it completes, the source is unsubscribed from.
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
