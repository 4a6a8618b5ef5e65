import {
  concatMap,
  defer,
  from,
  mergeMap,
  of,
  switchMap,
  take,
  tap,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';

/** A SYN to send. */
export interface Syn {
  /** When, in milliseconds from the start of the plan. */
  readonly atMs: number;
  /** Where it leaves from; by `undefined` the system chooses. */
  readonly localPort: number | undefined;
  readonly remotePort: number;
}

/**
 * The SYNs of a plan, each when its time has come, then completes.
 *
 * @param free$ emits when SYNs may leave. If it does not emit at once, the rest of the plan is delayed by as much.
 *
 * @example
 * synsOf$(plan, asyncScheduler).subscribe(({ localPort, remotePort }) => console.log(localPort, '→', remotePort));
 */
export function synsOf$(
  { syns }: { readonly syns: readonly Syn[] },
  scheduler: SchedulerLike,
  free$: Observable<unknown> = of(undefined),
): Observable<Syn> {
  const batches = [...new Set(syns.map(({ atMs }) => atMs))];
  return defer(() => {
    const start = scheduler.now();
    let lagMs = 0;
    return from(batches).pipe(
      concatMap((atMs) =>
        timer(Math.max(0, start + atMs + lagMs - scheduler.now()), scheduler).pipe(
          switchMap(() => {
            const dueAt = scheduler.now();
            return free$.pipe(
              take(1),
              tap(() => {
                lagMs += scheduler.now() - dueAt;
              }),
            );
          }),
          mergeMap(() => syns.filter((syn) => syn.atMs === atMs)),
        ),
      ),
    );
  });
}
