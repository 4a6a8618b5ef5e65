import { Observable } from 'rxjs';

/** How to work on items side by side. */
export interface SideBySideConfig<T, R> {
  /** So many at a time. */
  readonly parallel: number;
  /** What an item needs for itself: no two that need the same are worked on at once. */
  readonly needs: (item: T) => readonly string[];
  readonly work: (item: T) => Promise<R>;
}

/** Each item's result, as soon as it is there; the first of the items whose needs are free is always next. */
export const sideBySide$ = <T, R>(items: readonly T[], config: SideBySideConfig<T, R>): Observable<R> =>
  new Observable((subscriber) => {
    const waiting = [...items];
    const needed = new Set<string>();
    let running = 0;

    const begin = (item: T) => {
      const needs = config.needs(item);
      for (const need of needs) needed.add(need);
      running++;
      config.work(item).then(
        (result) => {
          for (const need of needs) needed.delete(need);
          running--;
          subscriber.next(result);
          beginMore();
        },
        (failure: unknown) => {
          subscriber.error(failure);
        },
      );
    };
    const beginMore = () => {
      while (running < config.parallel && !subscriber.closed) {
        const next = waiting.findIndex((item) => !config.needs(item).some((need) => needed.has(need)));
        if (next < 0) break;
        waiting.splice(next, 1).forEach(begin);
      }
      if (running === 0) subscriber.complete();
    };
    beginMore();
  });
