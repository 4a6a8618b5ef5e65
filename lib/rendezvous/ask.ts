import { defer, EMPTY, merge, type Observable } from 'rxjs';

/** Listens for an answer, then asks. */
export function ask$<T>(answer$: Observable<T>, ask: () => void): Observable<T> {
  return merge(
    answer$,
    defer(() => (ask(), EMPTY)),
  );
}
