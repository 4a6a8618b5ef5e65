import { auditTime, defer, exhaustMap, filter, map, of, retry, takeUntil, tap, timer, type Observable } from 'rxjs';
import { HttpError } from '../../errors.js';
import { fetch$ } from '../../http.js';
import type { Identity, PeerId } from '../../identity.js';
import { within } from '../../operators/within.js';
import type { Runtime } from '../../runtime.js';
import { readingClock, type ClockReading } from '../../server-clock.js';
import {
  ANSWER_MAX_BYTES,
  authorize,
  decodeDelivered,
  decodeRefusal,
  decodeTaken,
  encode,
  mailboxUrl,
  type MailboxVerb,
  type Refusal,
  type TakenMessage,
} from './mailbox-messages.js';
import type { Receipts } from './mailbox-receipts.js';

/** How long each take waits for a message. NATs and proxies forget silent connections after a minute or so. */
const WAIT_MS = 25_000;

/** How long a server has to answer, beyond the wait that was asked for. */
export const ANSWER_MS = 5_000;

/**
 * The shortest interval between two takes, so that a server that answers at once with nothing is not asked in a tight loop.
 */
const PACE_MS = 200;

/** When a message has been handled while a take waits, a new take acknowledges it after this time: more acknowledgements may follow. */
const LATE_MS = 1_000;

/** Refusals of a request whose time differs from the server's clock. */
const CLOCK_REFUSALS: readonly Refusal['refused'][] = ['clock', 'replayed', 'untimely'];

/** What requests to a mailbox server need. */
export interface RequestsConfig {
  readonly identity: Identity;
  /** The local address to leave from. By default the system chooses. */
  readonly localAddress?: string | undefined;
  readonly runtime: Runtime;
  /** Is told what a server's time says of this machine's clock. */
  readonly readClock: (reading: ClockReading) => void;
  /** Replaces HTTP requests in specs. */
  readonly fetch$?: typeof fetch$ | undefined;
}

/** A signal on its way. */
export interface Outgoing {
  readonly to: PeerId;
  readonly id: string;
  readonly message: string;
  /** When it is of no use any more, by this node's clock. */
  readonly until: number;
}

/** A request, signed when it is sent. */
interface Question<T> {
  readonly verb: MailboxVerb;
  /** The body. `at` is the time by the server's clock. */
  readonly body: (at: number) => string;
  readonly decode: (text: string) => T | undefined;
  readonly withinMs: number;
  readonly family?: 4 | 6 | undefined;
}

/** A mailbox server that is asked by requests, each signed and on a connection of its own: what passes through any proxy. */
export class MailboxRequests {
  readonly #clock: ServerClock;
  readonly #fetch$: typeof fetch$;

  constructor(
    readonly url: URL,
    readonly config: RequestsConfig,
  ) {
    this.#clock = new ServerClock(config.runtime.timeOfDay);
    this.#fetch$ = config.fetch$ ?? fetch$;
  }

  /** What comes for this node, after each request. Fails when the server does. */
  messages$(receipts: Receipts): Observable<readonly TakenMessage[]> {
    return timer(0, PACE_MS, this.config.runtime.scheduler).pipe(
      filter(() => receipts.hasRoom()),
      exhaustMap(() => this.#take$(receipts)),
    );
  }

  /** Puts a message there. Emits whether its receiver is there, and completes. */
  put$({ to, id, message, until }: Outgoing, family: 4 | 6 | undefined): Observable<boolean> {
    const { identity, runtime } = this.config;
    return this.#ask$({
      verb: 'put',
      body: (at) => {
        const keepMs = Math.max(0, until - runtime.timeOfDay());
        return encode({ from: identity.peerId, to, id, at, keepMs, message });
      },
      decode: decodeDelivered,
      withinMs: ANSWER_MS,
      family,
    });
  }

  #take$(receipts: Receipts): Observable<readonly TakenMessage[]> {
    const { identity, runtime } = this.config;
    return defer(() => {
      const acknowledge = receipts.done();
      return this.#ask$({
        verb: 'take',
        body: (at) => encode({ owner: identity.peerId, at, waitMs: WAIT_MS, acknowledge, holding: receipts.holding() }),
        decode: decodeTaken,
        withinMs: WAIT_MS + ANSWER_MS,
      }).pipe(
        tap(() => {
          receipts.forget(acknowledge);
        }),
        takeUntil(receipts.changed$.pipe(auditTime(LATE_MS, runtime.scheduler))),
      );
    });
  }

  /** Asks, and again where the server wants another time. */
  #ask$<T>({ verb, body, decode, withinMs, family }: Question<T>): Observable<T> {
    const { identity, localAddress, runtime, readClock } = this.config;
    return defer(() => {
      const url = mailboxUrl(this.url, verb);
      const text = body(this.#clock.now());
      return this.#fetch$({
        url,
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: authorize(identity, verb, url.host, text) },
        body: text,
        maxBytes: ANSWER_MAX_BYTES,
        localAddress,
        family,
        webTls$: runtime.webTls$,
      });
    }).pipe(
      readingClock(runtime, readClock),
      within(withinMs, `${this.url.origin} did not answer`, runtime.scheduler),
      map(({ status, text }) => {
        const answer = status === 200 ? decode(text) : undefined;
        if (answer !== undefined) return answer;
        throw new RefusedError(this.url, decodeRefusal(text), status);
      }),
      retry({
        // Twice: the server may know of a later take.
        count: 2,
        delay: (error: unknown) => {
          const refusal = error instanceof RefusedError ? error.refusal : undefined;
          if (refusal === undefined || !CLOCK_REFUSALS.includes(refusal.refused)) throw error;
          this.#clock.correct(refusal.now);
          return of(undefined);
        },
      }),
    );
  }
}

/** A server refused, or gave an unexpected answer. */
export class RefusedError extends HttpError {
  constructor(
    url: URL,
    readonly refusal: Refusal | undefined,
    readonly status: number,
  ) {
    super(`${url.origin} refused: ${refusal?.words ?? `HTTP status ${status}`}`);
  }
}

/** A server's clock: this node's own time until the server tells its time. Never returns the same time twice. */
class ServerClock {
  #ahead = 0;
  #last = 0;

  constructor(readonly timeOfDay: () => number) {}

  now(): number {
    this.#last = Math.max(this.#last + 1, Math.floor(this.timeOfDay() + this.#ahead));
    return this.#last;
  }

  /** The server says which time it is. */
  correct(now: number): void {
    this.#ahead = now - this.timeOfDay();
    this.#last = now - 1;
  }
}
