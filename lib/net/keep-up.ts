import {
  distinctUntilChanged,
  EMPTY,
  endWith,
  filter,
  ignoreElements,
  map,
  merge,
  pairwise,
  repeat,
  skip,
  startWith,
  switchMap,
  take,
  takeUntil,
  throttleTime,
  timer,
  withLatestFrom,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import type { Need } from '../connection/transport/link-choice.js';
import { formatUnl } from '../unl.js';
import type { Unl } from '../unl/types.js';

/** What a connection needs of links, and how they are looked for. */
interface KeepUpConfig {
  readonly need$: Observable<Need>;
  /** The peer's locator, the latest and each change. */
  readonly peer$: Observable<Unl>;
  /** This node's own locator, the latest and each change. */
  readonly own$: Observable<Unl>;
  /** Looks for what is needed once. Never fails. */
  readonly look$: (need: Need, peer: Unl) => Observable<unknown>;
  /** Whether this node has made the connection. */
  readonly isOurs: boolean;
  readonly scheduler: SchedulerLike;
}

/** Pauses between looks: short for any link, as for a router that restarts, and long for a direct one, … */
const PAUSES: Readonly<Record<Need, { readonly ms: number; readonly mostMs: number }>> = {
  none: { ms: 0, mostMs: 0 },
  any: { ms: 500, mostMs: 2_000 },
  // … since NATs do not change their ways: most of what fails once fails always.
  direct: { ms: 5_000, mostMs: 5 * 60_000 },
};

/** The node that made the connection looks first; the other waits this long, in milliseconds, so that the work is not done twice. */
const TURN_MS = 1_000;

/** A changed locator of the peer starts a new look at most this often, in milliseconds. */
const MOVED_MS = 5_000;

/** A look that has found nothing by then starts again: what stopped it at first may be gone. */
const LOOK_MS = 8_000;

/**
 * Looks for links for as long as a connection needs any: at once and again and again while none carries; while it is relayed, for
 * a direct one, with growing pauses; and anew whenever either node is somewhere else. The look by which a connection came to be
 * relayed goes on for a direct link by itself, so that the first after it has time. Never emits, never fails; completes with
 * `need$`.
 */
export function keepUp$({ need$, peer$, own$, look$, isOurs, scheduler }: KeepUpConfig): Observable<never> {
  const moved$ = merge(changesOf$(peer$), changesOf$(own$)).pipe(
    throttleTime(MOVED_MS, scheduler, { leading: true, trailing: true }),
  );
  const firstMs = (need: Need) => (need === 'direct' ? PAUSES.direct.ms : isOurs ? 0 : TURN_MS);
  const fruitless$ = timer(LOOK_MS, scheduler).pipe(
    switchMap(() => need$),
    filter((need) => need === 'any'),
  );
  const looks$ = need$.pipe(
    take(1),
    withLatestFrom(peer$),
    switchMap(([need, peer]) => look$(need, peer).pipe(takeUntil(fruitless$))),
    repeat({
      delay: (count) =>
        need$.pipe(
          take(1),
          switchMap((need) => timer(Math.min(PAUSES[need].mostMs, PAUSES[need].ms * 2 ** (count - 1)), scheduler)),
        ),
    }),
  );
  return need$.pipe(
    startWith<Need>('none'),
    pairwise(),
    // What was begun while there was no link goes on when there is a relayed one, until there is a direct one.
    filter(([before, need]) => !(before === 'any' && need === 'direct')),
    switchMap(([, need]) => {
      // For a better link, it is enough that one of the two nodes looks.
      if (need === 'none' || (need === 'direct' && !isOurs)) return EMPTY;
      return moved$.pipe(
        map(() => 0),
        startWith(firstMs(need)),
        switchMap((ms) => timer(ms, scheduler)),
        switchMap(() => looks$),
      );
    }),
    ignoreElements(),
    // Otherwise the wait would go on after the end of the connection and keep it in memory.
    takeUntil(need$.pipe(ignoreElements(), endWith(undefined))),
  );
}

function changesOf$(unl$: Observable<Unl>): Observable<unknown> {
  return unl$.pipe(map(formatUnl), distinctUntilChanged(), skip(1));
}
