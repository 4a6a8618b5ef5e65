import {
  asyncScheduler,
  defer,
  finalize,
  ignoreElements,
  merge,
  Subject,
  takeUntil,
  tap,
  timer,
  type MonoTypeOperatorFunction,
  type Observable,
  type SchedulerLike,
} from 'rxjs';

/** Who waits is told for what at least this often, in milliseconds. */
const TOLD_EVERY_MS = 2_000;

/** Tells for what is being waited, after two seconds and every two seconds from then on. Never emits. */
export function waiting$(
  tell: (seconds: number) => void,
  scheduler: SchedulerLike = asyncScheduler,
): Observable<never> {
  return timer(TOLD_EVERY_MS, TOLD_EVERY_MS, scheduler).pipe(
    tap((index) => {
      tell(((index + 1) * TOLD_EVERY_MS) / 1_000);
    }),
    ignoreElements(),
  );
}

/** Tells for what is being waited until the first value comes, or none comes any more. */
export function waitAloud<T>(
  tell: (seconds: number) => void,
  scheduler: SchedulerLike = asyncScheduler,
): MonoTypeOperatorFunction<T> {
  return (source) =>
    defer(() => {
      const over = new Subject<void>();
      const stop = () => {
        over.next();
      };
      return merge(waiting$(tell, scheduler).pipe(takeUntil(over)), source.pipe(tap(stop), finalize(stop)));
    });
}
