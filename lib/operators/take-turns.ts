import { Observable } from 'rxjs';

/** Lets a source be subscribed to only when its turn has come. */
export type Turn = <T>(source$: Observable<T>) => Observable<T>;

/**
 * Makes a queue for sources that must not run at the same time: each is subscribed to when the one before has ended, be it
 * by completing, failing, or being unsubscribed from. Whoever is unsubscribed from while waiting leaves the queue.
 *
 * @example
 * const turn = takeTurns();
 * merge(turn(timer(10)), turn(timer(10))).subscribe(); // after 10 ms, and after 20
 */
export function takeTurns(): Turn {
  const queue = new Set<() => void>();
  return (source$) =>
    new Observable((subscriber) => {
      let hasBegun = false;
      const start = () => {
        if (hasBegun) return;
        hasBegun = true;
        source$.subscribe(subscriber);
      };
      queue.add(start);
      subscriber.add(() => {
        queue.delete(start);
        const [next] = queue;
        next?.();
      });
      const [first] = queue;
      if (first === start) start();
    });
}
