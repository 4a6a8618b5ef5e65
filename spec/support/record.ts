import type { Observable, Subscription } from 'rxjs';

/** What an Observable has done so far. */
export interface Recording<T> {
  readonly values: T[];
  readonly error: unknown;
  readonly isCompleted: boolean;
  readonly subscription: Subscription;
}

/** Subscribes and keeps everything that comes, for a spec to look at. */
export function record<T>(source$: Observable<T>): Recording<T> {
  const seen: { values: T[]; error: unknown; isCompleted: boolean } = {
    values: [],
    error: undefined,
    isCompleted: false,
  };
  const subscription = source$.subscribe({
    next: (value) => seen.values.push(value),
    error: (error: unknown) => {
      seen.error = error;
    },
    complete: () => {
      seen.isCompleted = true;
    },
  });
  return Object.assign(seen, { subscription });
}
