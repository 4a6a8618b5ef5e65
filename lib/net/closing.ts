import {
  concat,
  forkJoin,
  lastValueFrom,
  map,
  mergeMap,
  noop,
  of,
  race,
  Subject,
  takeUntil,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { ClosedError } from '../errors.js';
import { ignoreErrors } from '../operators/ignore-errors.js';
import type { Peers } from '../peers/peers.js';

/** Closes a net, and runs clean-up work to its end after its caller has unsubscribed. */
export class Closing {
  #isClosing = false;
  readonly #closing = new Subject<void>();
  readonly #aftermath = new Subject<Observable<unknown>>();
  readonly #settled = lastValueFrom(this.#aftermath.pipe(mergeMap((work$) => work$.pipe(ignoreErrors()))), {
    defaultValue: undefined,
  });

  /** Whether it has begun. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Emits when the net begins to close, and completes. */
  get begun$(): Observable<void> {
    return this.#closing.asObservable();
  }

  /** Fails when the net is closed. */
  get failing$(): Observable<never> {
    return this.#closing.pipe(
      map(() => {
        throw new ClosedError('The net was closed meanwhile');
      }),
    );
  }

  /** Runs work to its end. A closing net waits for it. */
  finish(work$: Observable<unknown>): void {
    this.#aftermath.next(work$);
  }

  /** Runs work until the net begins to close: it needs sessions that are closed then. */
  finishBefore(work$: Observable<unknown>): void {
    if (!this.#isClosing) this.#aftermath.next(work$.pipe(takeUntil(this.#closing)));
  }

  /** Does something when the net begins to close. */
  onBegin(action: () => void): void {
    this.#closing.subscribe({ next: action, error: noop });
  }

  /** Says that the net closes. */
  begin(): void {
    this.#isClosing = true;
    this.#closing.next();
    this.#closing.complete();
  }

  /** Closes all connections in order and waits for that, and for the work that was to go on; cuts what is late. */
  async settle(peers: Peers, withinMs: number, scheduler: SchedulerLike): Promise<void> {
    this.#aftermath.complete();
    const connections = peers.begun;
    for (const connection of connections) {
      // A connection without a link gets none any more.
      if (connection.hasLink) connection.close();
      else connection.destroy();
    }
    const released$ = forkJoin(connections.map((connection) => connection.released$));
    const late$ = timer(withinMs, scheduler);
    await lastValueFrom(race(forkJoin([concat(released$, of(undefined)), this.#settled]), late$), {
      defaultValue: undefined,
    });
    for (const connection of connections) connection.destroy();
    peers.close();
  }
}
