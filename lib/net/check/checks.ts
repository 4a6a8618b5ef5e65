import {
  combineLatest,
  concat,
  distinctUntilChanged,
  ignoreElements,
  map,
  of,
  scan,
  startWith,
  takeWhile,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { ignoreErrors } from '../../operators/ignore-errors.js';
import { checkOf, type Facts } from './check.js';
import type { Asked, NetCheck } from './interface.js';

/** What has not been found out after this time, in milliseconds, is left out of a check: far more than a router takes that does not answer. */
export const CHECK_MS = 20_000;

/** Where the facts of a check come from. */
interface ChecksConfig {
  /** The facts as they are now. */
  readonly facts: (isLate: boolean, asked: Asked) => Facts;
  /** Asks what nobody has asked before, and completes; what comes of it is among the facts. */
  readonly asking$: Observable<unknown>;
  /** Asks what else there is to ask, part by part, and completes. */
  readonly asked$: Observable<Partial<Asked>>;
  /** Emits when they may have changed. */
  readonly changed$: Observable<unknown>;
  readonly scheduler: SchedulerLike;
}

const NOTHING: Asked = { versions: [], routers: [], hairpin: undefined, lan: undefined };

/** What a node finds of its network: at once, and whenever more is known. Completes when nothing more is to come. */
export function checks$({ facts, asking$, asked$, changed$, scheduler }: ChecksConfig): Observable<NetCheck> {
  const isLate$ = timer(CHECK_MS, scheduler).pipe(
    map(() => true),
    startWith(false),
  );
  const isDone$ = concat(asking$.pipe(ignoreElements(), ignoreErrors()), of(true)).pipe(startWith(false));
  const answers$ = concat(
    asked$.pipe(
      ignoreErrors(),
      map((part) => ({ part, isWhole: false })),
    ),
    of({ part: {}, isWhole: true }),
  ).pipe(
    scan((known, { part, isWhole }) => ({ asked: { ...known.asked, ...part }, isWhole }), {
      asked: NOTHING,
      isWhole: false,
    }),
    startWith({ asked: NOTHING, isWhole: false }),
  );
  return combineLatest([isLate$, isDone$, answers$, changed$.pipe(startWith(undefined))]).pipe(
    map(([isLate, isDone, { asked, isWhole }]) => {
      const known = facts(isLate, asked);
      return checkOf({ ...known, isSettled: known.isSettled && ((isDone && isWhole) || isLate) });
    }),
    distinctUntilChanged((one, other) => JSON.stringify(one) === JSON.stringify(other)),
    takeWhile(({ isSettled }) => !isSettled, true),
  );
}
