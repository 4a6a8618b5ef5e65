import {
  combineLatest,
  concat,
  distinctUntilChanged,
  ignoreElements,
  map,
  of,
  startWith,
  takeWhile,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { ignoreErrors } from '../../operators/ignore-errors.js';
import { checkOf, type Facts } from './check.js';
import type { NetCheck } from './interface.js';

/** What has not been found out after this time, in milliseconds, is left out of a check: far more than a router takes that does not answer. */
export const CHECK_MS = 20_000;

/** Where the facts of a check come from. */
interface ChecksConfig {
  /** The facts as they are now. */
  readonly facts: (isLate: boolean) => Facts;
  /** Asks what nobody has asked before, and completes; what comes of it is among the facts. */
  readonly asking$: Observable<unknown>;
  /** Emits when they may have changed. */
  readonly changed$: Observable<unknown>;
  readonly scheduler: SchedulerLike;
}

/** What a node finds of its network: at once, and whenever more is known. Completes when nothing more is to come. */
export function checks$({ facts, asking$, changed$, scheduler }: ChecksConfig): Observable<NetCheck> {
  const isLate$ = timer(CHECK_MS, scheduler).pipe(
    map(() => true),
    startWith(false),
  );
  const isAsked$ = concat(asking$.pipe(ignoreElements(), ignoreErrors()), of(true)).pipe(startWith(false));
  return combineLatest([isLate$, isAsked$, changed$.pipe(startWith(undefined))]).pipe(
    map(([isLate, isAsked]) => {
      const known = facts(isLate);
      return checkOf({ ...known, isSettled: known.isSettled && (isAsked || isLate) });
    }),
    distinctUntilChanged((one, other) => JSON.stringify(one) === JSON.stringify(other)),
    takeWhile(({ isSettled }) => !isSettled, true),
  );
}
