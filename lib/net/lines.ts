import { createHash } from 'node:crypto';
import { asapScheduler, mergeMap, Observable, observeOn, share } from 'rxjs';
import { Seen } from '../bounds/seen.js';
import type { ResolvedConfig } from '../config.js';
import type { Connection } from '../connection/connection.js';
import { expectLine } from '../link/lines.js';
import type { Peers } from '../peers/peers.js';
import type { Runtime } from '../runtime.js';
import type { Trace } from '../trace.js';
import type { Line } from './interface.js';

/** The lines of all connections. In a flooding network each is passed on once, so that relaying it ends (PyP2P). */
export class Lines {
  /** Every line that comes, but for copies of one that has been here. */
  readonly line$: Observable<Line>;

  readonly #config: ResolvedConfig;
  readonly #peers: Peers;
  readonly #seen: Seen;

  constructor(config: ResolvedConfig, { scheduler }: Runtime, peers: Peers, trace: Trace) {
    this.#config = config;
    this.#peers = peers;
    const { timing, limits } = config;
    this.#seen = new Seen({ forMs: timing.seenMs, maxEntries: limits.seenLines, now: () => scheduler.now() });
    this.line$ = peers.connection$.pipe(
      // In a later task, so that a subscriber of the connection can first take it as a stream.
      observeOn(asapScheduler),
      mergeMap((connection) => this.#of(connection, trace)),
      share(),
    );
  }

  /** Sends a line to all connections but one, where it is relayed. Returns to how many. */
  broadcast(text: string, except?: Connection): number {
    expectLine(text, this.#config.limits.lineBytes);
    const targets = this.#peers.all.filter((connection) => connection !== except);
    if (!this.#isNews(text) && except === undefined) return 0;
    for (const connection of targets) connection.send(text);
    return targets.length;
  }

  /** The lines of one connection, made by hand: an operator for each step takes longer than the line itself. */
  #of(connection: Connection, trace: Trace): Observable<Line> {
    return new Observable((subscriber) =>
      connection.lines$.subscribe({
        next: (text) => {
          if (this.#isNews(text)) subscriber.next({ connection, text });
          else trace({ type: 'dropped', what: 'line', peerId: connection.peerId, reason: 'a copy' });
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          subscriber.complete();
        },
      }),
    );
  }

  #isNews(text: string): boolean {
    return this.#config.mode === 'direct' || this.#seen.add(digest(text));
  }
}

/** What a line is remembered by. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
