import {
  catchError,
  concat,
  defer,
  expand,
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

/** Ways that share no node. */
const PATHS = 2;

/** A node that has not answered by then may still do so, but is not waited for: a slow round trip around the world. */
const SLOW_MS = 400;

/** What has been found by then has to do. */
const LOOKUP_MS = 2_500;

/** What a lookup needs. */
export interface LookupConfig {
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
    /** Asks, and emits whenever the walk knows more. */
    const ask$ = (step: Step) => {
      const answered$ = node.ask$(step.contact, { command: COMMAND.find, value: FIND_PADDING, target }, false).pipe(
        tap((answer) => {
          const isMember = answer.error === 0 && answer.id !== undefined && answer.value.equals(VERSION);
          walk.answered(step, answer, isMember);
        }),
        catchError(() =>
          of(undefined).pipe(
            tap(() => {
              walk.missed(step);
            }),
          ),
        ),
        share(),
      );
      const slow$ = timer(SLOW_MS, scheduler).pipe(
        tap(() => {
          walk.missed(step);
        }),
        takeUntil(answered$),
      );
      return merge(slow$, answered$);
    };
    const walking$ = of(undefined).pipe(
      expand(() => merge(...walk.next().map(ask$))),
      map(() => walk.isOver()),
      takeWhile((isOver) => !isOver),
      ignoreElements(),
      takeUntil(timer(LOOKUP_MS, scheduler)),
    );
    return concat(
      walking$,
      defer(() => of(walk.found())),
    );
  };

  return defer(() => {
    const known = node.closest(target, CLOSEST);
    // Who knows few asks those that one begins with, too.
    const start$ =
      known.length >= CLOSEST / 2 ? of(known) : node.bootstrap$.pipe(map((bootstrap) => [...known, ...bootstrap]));
    return start$.pipe(switchMap((start) => walk$(new Walk(target, start, PATHS, node.id()))));
  });
}
