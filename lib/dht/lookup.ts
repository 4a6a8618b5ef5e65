import {
  catchError,
  concat,
  defer,
  expand,
  filter,
  ignoreElements,
  map,
  merge,
  Observable,
  of,
  share,
  switchMap,
  takeUntil,
  takeWhile,
  tap,
  timer,
} from 'rxjs';
import type { Runtime } from '../runtime.js';
import { COMMAND, FIND_PADDING, VERSION } from './messages.js';
import type { DhtNode } from './node.js';
import { CLOSEST, Walk, type Found, type Step } from './walk.js';

/** The number of disjoint paths. */
const PATHS = 2;

/**
 * A node that has not answered by then may still do so, but is not waited for: a slow round trip around the world; less where half of
 * the nodes answer in a quarter of it.
 */
const SLOW_MS = 400;
const LEAST_SLOW_MS = 100;
const SLOWER_THAN_MOST = 4;

/** After this time the wanted number of nodes is enough, even if some that may be closer have not answered. */
const ENOUGH_MS = 500;

/** After this time the lookup ends with the nodes that it has. */
const LOOKUP_MS = 2_500;

/** What a lookup needs. */
interface LookupConfig {
  readonly node: Pick<DhtNode, 'ask$' | 'closest' | 'bootstrap$' | 'id'>;
  /** 32 bytes. */
  readonly target: Buffer;
  readonly runtime: Pick<Runtime, 'scheduler'>;
}

/**
 * Looks for the nodes closest to a target, on ways that share no node. Emits once those that answered, the closest first, at
 * most {@link CLOSEST}, and completes. Never fails.
 */
export function lookup$({ node, target, runtime: { scheduler } }: LookupConfig): Observable<readonly Found[]> {
  const walk$ = (walk: Walk): Observable<readonly Found[]> => {
    const roundTrips: number[] = [];
    const slowMs = () => {
      const median = roundTrips.toSorted((a, b) => a - b)[roundTrips.length >> 1] ?? Infinity;
      return Math.min(SLOW_MS, Math.max(LEAST_SLOW_MS, SLOWER_THAN_MOST * median));
    };
    /** Asks, and emits whenever the walk knows more. */
    const ask$ = (step: Step) => {
      const asked = scheduler.now();
      const answered$ = node.ask$(step.contact, { command: COMMAND.find, value: FIND_PADDING, target }, false).pipe(
        tap((answer) => {
          roundTrips.push(scheduler.now() - asked);
          const isMember = answer.error === 0 && answer.id !== undefined && answer.value.equals(VERSION);
          walk.answered(step, answer, isMember);
        }),
        catchError(() =>
          of(undefined).pipe(
            tap(() => {
              walk.failed(step);
            }),
          ),
        ),
        share(),
      );
      const slow$ = timer(slowMs(), scheduler).pipe(
        tap(() => {
          walk.missed(step);
        }),
        takeUntil(answered$),
      );
      return merge(slow$, answered$);
    };
    const enough$ = timer(ENOUGH_MS, ENOUGH_MS / 5, scheduler).pipe(filter(() => walk.found().length >= CLOSEST));
    const walking$ = of(undefined).pipe(
      expand(() => merge(...walk.next().map(ask$))),
      map(() => walk.isOver()),
      takeWhile((isOver) => !isOver),
      ignoreElements(),
      takeUntil(merge(timer(LOOKUP_MS, scheduler), enough$)),
    );
    return concat(
      walking$,
      defer(() => of(walk.found())),
    );
  };

  return defer(() => {
    const known = node.closest(target, CLOSEST);
    // A node that knows few others asks the bootstrap nodes, too.
    const start$ =
      known.length >= CLOSEST / 2 ? of(known) : node.bootstrap$.pipe(map((bootstrap) => [...known, ...bootstrap]));
    return start$.pipe(switchMap((start) => walk$(new Walk(target, start, PATHS, node.id()))));
  });
}
