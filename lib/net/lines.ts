import { createHash } from 'node:crypto';
import { asapScheduler, mergeMap, Observable, observeOn, type Subscription } from 'rxjs';
import { Seen } from '../bounds/seen.js';
import type { ResolvedConfig } from '../config.js';
import type { Connection } from '../connection/connection.js';
import { expectLine } from '../link/lines.js';
import { Subscribers } from '../operators/subscribers.js';
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
  readonly #trace: Trace;
  readonly #subscribers = new Subscribers<Line>();
  #reading: Subscription | undefined;

  constructor(config: ResolvedConfig, { scheduler }: Runtime, peers: Peers, trace: Trace) {
    this.#config = config;
    this.#peers = peers;
    this.#trace = trace;
    const { timing, limits } = config;
    this.#seen = new Seen({ forMs: timing.seenMs, maxEntries: limits.seenLines, now: () => scheduler.now() });
    this.line$ = new Observable((subscriber) => {
      const leave = this.#subscribers.join(subscriber);
      if (this.#reading?.closed !== false) this.#reading = this.#read();
      return () => {
        leave();
        if (this.#subscribers.size > 0) return;
        this.#reading?.unsubscribe();
        this.#reading = undefined;
      };
    });
  }

  /** Sends a line to all connections but one, where it is relayed. Returns to how many. */
  broadcast(text: string, except?: Connection): number {
    expectLine(text, this.#config.limits.lineBytes);
    const targets = this.#peers.all.filter((connection) => connection !== except);
    if (!this.#isNews(text) && except === undefined) return 0;
    for (const connection of targets) connection.send(text);
    return targets.length;
  }

  /** Reads the lines of all connections. They do not pass through operators: those take longer than the line itself. */
  #read(): Subscription {
    return this.#peers.connection$
      .pipe(
        // In a later task, so that a subscriber of the connection can first take it as a stream.
        observeOn(asapScheduler),
        mergeMap((connection) => this.#readFrom(connection)),
      )
      .subscribe({
        error: (error: unknown) => {
          this.#subscribers.error(error);
        },
        complete: () => {
          this.#subscribers.complete();
        },
      });
  }

  /** Hands out the lines of one connection. Emits nothing. */
  #readFrom(connection: Connection): Observable<never> {
    return new Observable((subscriber) =>
      connection.lines$.subscribe({
        next: (text) => {
          if (this.#isNews(text)) this.#subscribers.next({ connection, text });
          else this.#trace({ type: 'dropped', what: 'line', peerId: connection.peerId, reason: 'a copy' });
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
