import { connect, filter, from, merge, mergeMap, takeUntil, type ObservableInput, type OperatorFunction } from 'rxjs';

/**
 * Subscribes to what is made of each item of a list that changes, once, for as long as the item is in the list. Emits all that comes of it. When
 * the source completes, what is under way goes on.
 *
 * @param project makes an Observable of an item that is new in the list.
 *
 * @example
 * const listed$ = from([['a'], ['a', 'b'], ['b']]);
 * listed$.pipe(whileListed((name) => interval(1_000).pipe(map(() => name)))).subscribe((name) => console.log(name));
 */
export function whileListed<T, R>(project: (item: T) => ObservableInput<R>): OperatorFunction<readonly T[], R> {
  return connect((list$) => {
    let known: readonly T[] = [];
    return list$.pipe(
      mergeMap((list) => {
        const fresh = list.filter((item) => !known.includes(item));
        known = list;
        const gone$ = (item: T) => list$.pipe(filter((later) => !later.includes(item)));
        return merge(...fresh.map((item) => from(project(item)).pipe(takeUntil(gone$(item)))));
      }),
    );
  });
}
