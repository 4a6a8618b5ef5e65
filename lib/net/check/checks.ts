import {
  combineLatest,
  distinctUntilChanged,
  map,
  startWith,
  takeWhile,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { checkOf, type Facts } from './check.js';
import type { NetCheck } from './interface.js';

/** What has not been found out after this time, in milliseconds, is left out of a check: far more than a router takes that does not answer. */
const CHECK_MS = 20_000;

/** Where the facts of a check come from. */
interface ChecksConfig {
  /** The facts as they are now. */
  readonly facts: (isLate: boolean) => Facts;
  /** Emits when they may have changed. */
  readonly changed$: Observable<unknown>;
  readonly scheduler: SchedulerLike;
}

/** What a node finds of its network: at once, and whenever more is known. Completes when nothing more is to come. */
export function checks$({ facts, changed$, scheduler }: ChecksConfig): Observable<NetCheck> {
  const isLate$ = timer(CHECK_MS, scheduler).pipe(
    map(() => true),
    startWith(false),
  );
  return combineLatest([isLate$, changed$.pipe(startWith(undefined))]).pipe(
    map(([isLate]) => checkOf(facts(isLate))),
    distinctUntilChanged((one, other) => JSON.stringify(one) === JSON.stringify(other)),
    takeWhile(({ isSettled }) => !isSettled, true),
  );
}
