import { defer, EMPTY, filter, ignoreElements, merge, mergeMap, of, share, tap, type Observable } from 'rxjs';
import { Seen } from '../bounds/seen.js';
import { KEEP_MAX_MS } from '../parcel.js';
import type { ReceivedSignal, Signal, Signalling } from '../signalling/signalling.js';
import { isId } from '../validate.js';

// What one node says to another that it has asked for something, as a signal:
//
//   attempt-over   { attempt }    my attempt is over: what I have asked you for it I need no more

/** Why a technique fails whose signal no carrier took. */
export const NO_SIGNAL =
  'No signal reached the peer: it is connected to none of our rendezvous servers, and no server keeps signals for it';

/** A finished attempt is remembered for as long as one of its requests may be kept somewhere. */
const REMEMBERED = { forMs: KEEP_MAX_MS, maxEntries: 1_000 };

/** A peer's request. */
interface Ask<A> {
  readonly signal: ReceivedSignal;
  readonly ask: A;
  /** Emits when the peer withdraws it. */
  readonly withdrawn$: Observable<unknown>;
}

/** Writes the signal that withdraws all requests of an attempt. */
export function overSignal(attempt: string): Signal {
  return { kind: 'attempt-over', body: { attempt } };
}

/**
 * Requests of one kind from peers, without those that were withdrawn already. Never fails.
 *
 * @param read reads such a signal: `undefined` for any other.
 * @param now the time, in milliseconds.
 */
export function asks$<A extends { readonly attempt: string }>(
  { signal$ }: Pick<Signalling, 'signal$'>,
  read: (signal: ReceivedSignal) => A | undefined,
  now: () => number,
): Observable<Ask<A>> {
  return defer(() => {
    const over = new Seen({ now, ...REMEMBERED });
    const over$ = signal$.pipe(
      mergeMap((signal) => {
        const { attempt } = signal.body;
        return signal.kind === 'attempt-over' && isId(attempt) ? of(`${signal.from} ${attempt}`) : EMPTY;
      }),
      tap((name) => over.add(name)),
      share(),
    );
    const ask$ = signal$.pipe(
      mergeMap((signal) => {
        const ask = read(signal);
        if (ask === undefined) return EMPTY;
        const name = `${signal.from} ${ask.attempt}`;
        return over.has(name) ? EMPTY : of({ signal, ask, withdrawn$: over$.pipe(filter((other) => other === name)) });
      }),
    );
    return merge(over$.pipe(ignoreElements()), ask$);
  });
}
