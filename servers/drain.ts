import {
  dematerialize,
  materialize,
  noop,
  pipe,
  switchMap,
  take,
  type Observable,
  type OperatorFunction,
  type Subscription,
} from 'rxjs';

/** How a server is ended so that nobody loses anything. */
export interface DrainConfig {
  /**
   * When it emits, the server takes nobody in any more: it stops listening, sends away those who can go elsewhere, and lets the
   * others end what they are at. It completes once all have gone; unsubscribing ends those that are left. Default: never.
   */
  readonly drain$?: Observable<unknown> | undefined;
}

/** Calls back once, when a server is to take nobody in any more. */
export function onDrain(drain$: Observable<unknown>, action: () => void): Subscription {
  return drain$.pipe(take(1)).subscribe({ next: action, error: noop });
}

/** Like `switchMap`, of a source that never completes by itself: completes with what was made of its value. */
export function serveWith<T, R>(serve$: (value: T) => Observable<R>): OperatorFunction<T, R> {
  return pipe(
    switchMap((value) => serve$(value).pipe(materialize())),
    dematerialize(),
  );
}
