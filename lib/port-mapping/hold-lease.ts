import {
  AsyncSubject,
  catchError,
  concat,
  defer,
  EMPTY,
  expand,
  finalize,
  ignoreElements,
  map,
  merge,
  NEVER,
  of,
  type Observable,
  retry,
  switchMap,
  take,
  takeUntil,
  throwIfEmpty,
  timer,
  type SchedulerLike,
} from 'rxjs';
import { MAX_TIMER_MS } from '../config.js';
import { HttpError, TimeoutError } from '../errors.js';
import { backoffMs } from '../operators/backoff.js';
import { ignoreErrors } from '../operators/ignore-errors.js';

/** Something that is granted for a time. */
export interface Lease {
  /** How long it is granted for, in milliseconds; Infinity for good. */
  readonly lifetimeMs: number;
}

/** How a lease is asked for, watched and given back. */
interface HoldLeaseConfig<L extends Lease> {
  /** Asks for it, or for more time of the one that is held. Has a time limit of its own. */
  readonly ask$: (held: L | undefined) => Observable<L>;
  /** Emits when the one that is held is lost before its time. */
  readonly lost$: (held: L) => Observable<unknown>;
  /** Gives it back. Has a time limit of its own. */
  readonly release$: (held: L) => Observable<unknown>;
  /** Undoes a request that got no readable answer: the lease may have been granted nevertheless. */
  readonly takeBack$: Observable<unknown>;
  /** Finishes clean-up after its caller has unsubscribed. */
  readonly runToEnd: (work$: Observable<unknown>) => void;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
}

/** Pauses between tries to renew. The first is short, in case a datagram was lost; a server that is down is asked less and less often. */
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 60_000;

/** How long an unanswered request is waited for when the lease is not needed any more, in milliseconds. */
const TAKE_BACK_MS = 500;

/**
 * Asks for a lease and holds it for as long as it is subscribed to: asks anew at half of its lifetime (RFC 6886 §3.3), and
 * at once when it is lost; when that fails again and again with growing pauses, until it runs out. Emits each lease that is
 * granted. Unsubscribed, it gives the lease back, also one that is still being asked for.
 *
 * @throws what the first `ask$` throws, after a TimeoutError or an HttpError only when it has been undone; Error when the lease has run out and could not be renewed.
 *
 * @example
 * holdLease$({
 *   ask$: () => of({ lifetimeMs: 7_200_000 }),
 *   lost$: () => NEVER,
 *   release$: () => EMPTY,
 *   takeBack$: EMPTY,
 *   runToEnd: (work$) => work$.subscribe(),
 *   scheduler: asyncScheduler,
 *   random: Math.random,
 * }).subscribe();
 */
export function holdLease$<L extends Lease>({
  ask$,
  lost$,
  release$,
  takeBack$,
  runToEnd,
  scheduler,
  random,
}: HoldLeaseConfig<L>): Observable<L> {
  return defer(() => {
    let latest$: Observable<L> = EMPTY;
    let isUndone = false;

    /** Runs once: before this fails, or after unsubscribing. */
    const undoneAfter$ = (error: unknown): Observable<never> =>
      defer(() => {
        const mayBeGranted = error instanceof TimeoutError || error instanceof HttpError;
        if (!mayBeGranted || isUndone) return EMPTY;
        isUndone = true;
        return takeBack$.pipe(ignoreErrors(), ignoreElements(), takeUntil(timer(TAKE_BACK_MS, scheduler)));
      });

    const asked$ = (held: L | undefined) =>
      defer(() => {
        const answer = new AsyncSubject<L>();
        latest$ = answer.pipe(catchError((error: unknown) => (held === undefined ? undoneAfter$(error) : of(held))));
        // Runs to its end after unsubscribing: the gateway may still grant the lease, which must then be given back.
        ask$(held).pipe(take(1), throwIfEmpty()).subscribe(answer);
        return answer;
      });

    const begun$ = asked$(undefined).pipe(
      catchError((error: unknown) =>
        concat(
          undoneAfter$(error),
          defer(() => {
            throw error;
          }),
        ),
      ),
    );

    const after$ = (ms: number) => (ms === Infinity ? NEVER : timer(ms, scheduler));

    const renewed$ = (held: L): Observable<L> => {
      const { lifetimeMs } = held;
      // A lease that is longer than any timer counts as unlimited.
      const endsInMs = lifetimeMs === Infinity ? Infinity : Math.min(lifetimeMs, MAX_TIMER_MS);
      const runOut$ = after$(endsInMs).pipe(
        map(() => {
          throw new Error(`It was granted for ${lifetimeMs} ms and could not be renewed`);
        }),
      );
      const answer$ = merge(after$(endsInMs / 2), lost$(held)).pipe(
        take(1),
        switchMap(() =>
          asked$(held).pipe(
            retry({ delay: (_, count) => timer(backoffMs(count, RETRY_MS, RETRY_MAX_MS, random), scheduler) }),
          ),
        ),
      );
      return merge(answer$, runOut$).pipe(take(1));
    };

    return begun$.pipe(
      expand(renewed$),
      finalize(() => {
        runToEnd(latest$.pipe(take(1), switchMap(release$)));
      }),
    );
  });
}
