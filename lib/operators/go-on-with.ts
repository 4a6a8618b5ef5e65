import { Observable, take, type OperatorFunction } from 'rxjs';

/**
 * Goes on with the Observable that the first value leads to. `take(1)` and `switchMap` do the same, but each value of that Observable
 * passes through them; here the subscriber itself is subscribed to it.
 *
 * @param project makes the Observable.
 *
 * @example
 * from(Promise.resolve('one')).pipe(goOnWith((text) => of(text, 'two'))).subscribe(console.log);
 */
export function goOnWith<T, R>(project: (value: T) => Observable<R>): OperatorFunction<T, R> {
  return (source$) =>
    new Observable((subscriber) => {
      let hasBegun = false;
      const begin = (value: T) => {
        hasBegun = true;
        try {
          project(value).subscribe(subscriber);
        } catch (error) {
          subscriber.error(error);
        }
      };
      return source$.pipe(take(1)).subscribe({
        next: begin,
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          if (!hasBegun) subscriber.complete();
        },
      });
    });
}
