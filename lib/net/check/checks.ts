import {
  combineLatest,
  concat,
  distinctUntilChanged,
  ignoreElements,
  map,
  merge,
  of,
  scan,
  startWith,
  takeWhile,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { ignoreErrors } from '../../operators/ignore-errors.js';
import { isSameJson } from '../../operators/same-json.js';
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
const NOTHING_YET = { asked: NOTHING, isOver: false };

/** What a node finds of its network: at once, and whenever more is known. Completes when nothing more is to come. */
export function checks$({ facts, asking$, asked$, changed$, scheduler }: ChecksConfig): Observable<NetCheck> {
  const isLate$ = timer(CHECK_MS, scheduler).pipe(
    map(() => true),
    startWith(false),
  );
  // Both ask at once; it is over when both are.
  const whatComes$ = merge(
    asking$.pipe(ignoreElements(), ignoreErrors()),
    asked$.pipe(
      ignoreErrors(),
      map((part) => ({ part, isOver: false })),
    ),
  );
  const answers$ = concat(whatComes$, of({ part: {}, isOver: true })).pipe(
    scan((known, { part, isOver }) => ({ asked: { ...known.asked, ...part }, isOver }), NOTHING_YET),
    startWith(NOTHING_YET),
  );
  return combineLatest([isLate$, answers$, changed$.pipe(startWith(undefined))]).pipe(
    map(([isLate, { asked, isOver }]) => {
      const known = facts(isLate, asked);
      return checkOf({ ...known, isSettled: known.isSettled && (isOver || isLate) });
    }),
    distinctUntilChanged(isSameJson),
    takeWhile(({ isSettled }) => !isSettled, true),
  );
}
