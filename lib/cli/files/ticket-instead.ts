import { asyncScheduler, concatMap, defer, filter, of, switchMap, take, timer, type Observable } from 'rxjs';

/** Who has typed a code comes within this time, in milliseconds: each technique has its turn, and a dead server its time before. */
const COMES_MS = 60_000;

/** What has become of a code. */
export interface PairedByCode {
  /** The peer ids of those who have typed it. */
  readonly paired: ReadonlySet<string>;
  /** Those of them who have come. */
  readonly arrived: ReadonlySet<string>;
}

/**
 * Shows the ticket where the code has come to nothing, since the ticket is what is left then: at once where nobody has typed the code, as with a
 * server that is away or old; after a minute where its peer has not come, which may not know that the code was right, if the last answer was lost.
 * To be subscribed to when the code is not shown any more.
 *
 * @param show called with the ticket.
 */
export function ticketInstead$(
  { paired, arrived }: PairedByCode,
  ticket$: Observable<string>,
  show: (ticket: string) => Promise<void>,
  scheduler = asyncScheduler,
): Observable<unknown> {
  return defer(() => (paired.size === 0 ? of(0) : timer(COMES_MS, scheduler))).pipe(
    filter(() => arrived.size === 0),
    switchMap(() => ticket$.pipe(take(1))),
    concatMap(show),
  );
}
