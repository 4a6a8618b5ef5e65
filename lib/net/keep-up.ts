import {
  defer,
  distinctUntilChanged,
  EMPTY,
  endWith,
  filter,
  ignoreElements,
  map,
  merge,
  pairwise,
  repeat,
  share,
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
  /** Emits when this machine's addresses or routes have changed. */
  readonly changed$: Observable<unknown>;
  /** To the peer and back, in milliseconds, as far as that is known. */
  readonly roundTripMs: () => number | undefined;
  /** Looks for what is needed once. Never fails. */
  readonly look$: (need: Need, peer: Unl) => Observable<unknown>;
  /** Whether this node has made the connection. */
  readonly isOurs: boolean;
  readonly scheduler: SchedulerLike;
}

/** Pauses between looks: short for any link, as for a router that restarts, and long for a direct one, … */
const PAUSES: Readonly<Record<Need, { readonly ms: number; readonly mostMs: number }>> = {
  none: { ms: 0, mostMs: 0 },
  any: { ms: 250, mostMs: 2_000 },
  // … since NATs do not change their ways: most of what fails once fails always.
  direct: { ms: 5_000, mostMs: 5 * 60_000 },
};

/**
 * The node that made the connection looks first; the other waits this long, in milliseconds, so that the work is not always done
 * twice (the Connection Attempt Delay of RFC 8305 §5).
 */
const TURN_MS = 250;

/** A changed locator of either node starts a new look at most this often, in milliseconds. */
const MOVED_MS = 5_000;

/**
 * A look that has found nothing by then starts again: what stopped it at first may be gone. Each has twice as long as the one before, in
 * milliseconds, …
 */
const LOOK = { ms: 2_000, mostMs: 8_000 };

/** … and at least so many round trips: a relay takes 5, a punch 4.5, and a signal may have to be sent again. */
const LOOK_ROUND_TRIPS = 8;

/**
 * Looks for links for as long as a connection needs any: at once and again and again while none carries; while it is relayed, for
 * a direct one, with growing pauses; and anew whenever this machine's network has changed, or either node is somewhere else. The look
 * by which a connection came to be relayed goes on for a direct link by itself, so that the first after it has time. Never emits,
 * never fails; completes with `need$`.
 */
export function keepUp$(config: KeepUpConfig): Observable<never> {
  const { need$, peer$, look$, isOurs, scheduler } = config;
  const firstMs = (need: Need) => (need === 'direct' ? PAUSES.direct.ms : isOurs ? 0 : TURN_MS);
  const looks$ = defer(() => {
    let count = 0;
    return need$.pipe(
      take(1),
      withLatestFrom(peer$),
      switchMap(([need, peer]) => look$(need, peer).pipe(takeUntil(fruitless$(config, count++)))),
      repeat({
        delay: (times) =>
          need$.pipe(
            take(1),
            switchMap((need) => timer(doubled(PAUSES[need], times - 1), scheduler)),
          ),
      }),
    );
  });
  return need$.pipe(
    startWith<Need>('none'),
    pairwise(),
    // What was begun while there was no link goes on when there is a relayed one, until there is a direct one.
    filter(([before, need]) => !(before === 'any' && need === 'direct')),
    switchMap(([, need]) => {
      // For a better link, it is enough that one of the two nodes looks.
      if (need === 'none' || (need === 'direct' && !isOurs)) return EMPTY;
      return moved$(config).pipe(
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

/**
 * Emits when it is time for a new look: at once when this machine's network has changed, and when a locator has. A locator changes after
 * the network has, when the look for that is under way already.
 */
function moved$({ peer$, own$, changed$, scheduler }: KeepUpConfig): Observable<unknown> {
  const located$ = merge(changesOf$(peer$), changesOf$(own$)).pipe(share());
  const sparingly$ = (leading: boolean) =>
    located$.pipe(throttleTime(MOVED_MS, scheduler, { leading, trailing: true }));
  return changed$.pipe(
    map(() => true),
    startWith(false),
    switchMap((hasChanged) => (hasChanged ? sparingly$(false).pipe(startWith(undefined)) : sparingly$(true))),
  );
}

/** Emits when a look, the first being 0, has gone on for long enough and no link carries. */
function fruitless$({ need$, roundTripMs, scheduler }: KeepUpConfig, count: number): Observable<unknown> {
  const ms = Math.max(doubled(LOOK, count), LOOK_ROUND_TRIPS * (roundTripMs() ?? 0));
  return timer(ms, scheduler).pipe(
    switchMap(() => need$),
    filter((need) => need === 'any'),
  );
}

/** A time that doubles with each count, from 0, up to the most. */
function doubled({ ms, mostMs }: { readonly ms: number; readonly mostMs: number }, count: number): number {
  return Math.min(mostMs, ms * 2 ** count);
}

function changesOf$(unl$: Observable<Unl>): Observable<unknown> {
  return unl$.pipe(map(formatUnl), distinctUntilChanged(), skip(1));
}
