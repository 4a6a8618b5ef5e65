import {
  defer,
  distinctUntilChanged,
  filter,
  map,
  merge,
  Observable,
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
  type SchedulerLike,
  type Subscription,
} from 'rxjs';
import type { Need } from '../connection/transport/link-choice.js';
import { formatUnl } from '../unl.js';
import type { Unl } from '../unl/types.js';

/** Which links a connection needs, and how to look for them. */
interface LinkSearchConfig {
  readonly need$: Observable<Need>;
  /** The peer's locator, the latest and each change. */
  readonly peer$: Observable<Unl>;
  /** This node's own locator, the latest and each change. */
  readonly own$: Observable<Unl>;
  /** Emits when this machine's addresses or routes have changed. */
  readonly changed$: Observable<unknown>;
  /** The round trip to the peer in milliseconds, if it is known. */
  readonly roundTripMs: () => number | undefined;
  /** Looks for what is needed once. Never fails. */
  readonly look$: (need: Need, peer: Unl) => Observable<unknown>;
  /** Whether this node has made the connection. */
  readonly isOurs: boolean;
  readonly scheduler: SchedulerLike;
}

/** Pauses between looks: short when any link is needed, for instance while a router restarts; long for a direct one, … */
const PAUSES: Readonly<Record<Need, { readonly ms: number; readonly mostMs: number }>> = {
  none: { ms: 0, mostMs: 0 },
  any: { ms: 250, mostMs: 2_000 },
  // … since a NAT does not change: what has failed once mostly fails again.
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
 * A look that has found nothing after this time, in milliseconds, starts again: the obstacle may be gone. Each look has twice as long as
 * the one before, …
 */
const LOOK = { ms: 2_000, mostMs: 8_000 };

/** … and at least this many round trips: a relay takes 5, a punch 4.5, and a signal may have to be sent again. */
const LOOK_ROUND_TRIPS = 8;

/**
 * Looks for links for one connection while it needs any. While no link works, it looks for any link, at once and repeatedly. While the
 * connection is relayed, it looks for a direct link, with growing pauses. It starts over whenever this machine's network has changed, or
 * either node has moved. (The look that found a relayed link goes on for a direct one by itself, so the next one is not urgent.) Never
 * emits, never fails; completes with `need$`.
 */
export function searchLinks$(config: LinkSearchConfig): Observable<never> {
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
  const search$ = (need: Need) =>
    moved$(config).pipe(
      map(() => 0),
      startWith(firstMs(need)),
      switchMap((ms) => timer(ms, scheduler)),
      switchMap(() => looks$),
    );
  // By hand: most connections need nothing most of the time, and the operators would take kilobytes for each.
  return new Observable((subscriber) => {
    let before: Need = 'none';
    let searching: Subscription | undefined;
    const fail = (error: unknown) => {
      subscriber.error(error);
    };
    const onNeed = (need: Need) => {
      // A look that started without a link goes on after it has found a relayed one, until it finds a direct one.
      const goesOn = before === 'any' && need === 'direct';
      before = need;
      if (goesOn) return;
      searching?.unsubscribe();
      // For a better link, it is enough that one of the two nodes looks.
      const isSearched = need === 'any' || (need === 'direct' && isOurs);
      searching = isSearched ? search$(need).subscribe({ error: fail }) : undefined;
    };
    const needs = need$.subscribe({
      next: onNeed,
      error: fail,
      complete: () => {
        subscriber.complete();
      },
    });
    return () => {
      needs.unsubscribe();
      searching?.unsubscribe();
    };
  });
}

/**
 * Emits when it is time for a new look: when this machine's network has changed, at once; and when a locator has changed, but not right
 * after a change of the network: that change comes with a new locator, and its look is under way already.
 */
function moved$({ peer$, own$, changed$, scheduler }: LinkSearchConfig): Observable<unknown> {
  const located$ = merge(changesOf$(peer$), changesOf$(own$)).pipe(share());
  const sparingly$ = (leading: boolean) =>
    located$.pipe(throttleTime(MOVED_MS, scheduler, { leading, trailing: true }));
  return changed$.pipe(
    map(() => true),
    startWith(false),
    switchMap((hasChanged) => (hasChanged ? sparingly$(false).pipe(startWith(undefined)) : sparingly$(true))),
  );
}

/** Emits when a look has taken too long and there still is no working link. The first look has the number 0. */
function fruitless$({ need$, roundTripMs, scheduler }: LinkSearchConfig, count: number): Observable<unknown> {
  const ms = Math.max(doubled(LOOK, count), LOOK_ROUND_TRIPS * (roundTripMs() ?? 0));
  return timer(ms, scheduler).pipe(
    switchMap(() => need$),
    filter((need) => need === 'any'),
  );
}

/** A time that doubles with each count from 0 on, up to a limit. */
function doubled({ ms, mostMs }: { readonly ms: number; readonly mostMs: number }, count: number): number {
  return Math.min(mostMs, ms * 2 ** count);
}

function changesOf$(unl$: Observable<Unl>): Observable<unknown> {
  return unl$.pipe(map(formatUnl), distinctUntilChanged(), skip(1));
}
