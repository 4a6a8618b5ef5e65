import { catchError, of, type Observable } from 'rxjs';

/** In the place of a failure that bundles several, a value: what each of them is, an error by its name. */
export function failuresAsValue<T>(source$: Observable<T>): Observable<T | readonly unknown[]> {
  return source$.pipe(
    catchError((error: unknown) => {
      if (!(error instanceof AggregateError)) throw error;
      return of(error.errors.map((part: unknown) => (part instanceof Error ? part.name : part)));
    }),
  );
}
