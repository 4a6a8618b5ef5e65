import {
  auditTime,
  catchError,
  defer,
  exhaustMap,
  filter,
  finalize,
  map,
  mergeMap,
  of,
  retry,
  takeUntil,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import { failureOf, HttpError } from '../../errors.js';
import { fetch$ } from '../../http.js';
import type { Identity, PeerId } from '../../identity.js';
import { backoffMs } from '../../operators/backoff.js';
import { takeTurns, type Turn } from '../../operators/take-turns.js';
import { within } from '../../operators/within.js';
import type { Runtime } from '../../runtime.js';
import { readingClock } from '../../server-clock.js';
import type { Delivery, Parcel } from '../carrier.js';
import type { SignalTrace } from '../steps.js';
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
  type RefusalCode,
  type TakenMessage,
} from './mailbox-messages.js';
import { Receipts } from './mailbox-receipts.js';

/** What talking to a mailbox server needs. */
export interface MailboxServerConfig {
  readonly identity: Identity;
  /** The local address to leave from. By default the system chooses. */
  readonly localAddress?: string | undefined;
  readonly runtime: Runtime;
  readonly trace?: SignalTrace | undefined;
  /** Replaces HTTP requests in specs. */
  readonly fetch$?: typeof fetch$ | undefined;
}

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

/** Pauses after failures. A restarted server is back in seconds; asking a dead one once a minute does no harm. */
const BACKOFF = { firstMs: 500, mostMs: 60_000 };

/** Refusals of a request whose time differs from the server's clock. */
const CLOCK_REFUSALS: readonly Refusal['refused'][] = ['clock', 'replayed', 'untimely'];

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

/** One mailbox server, as this node sees it. */
export class MailboxServer {
  readonly #clock: ServerClock;
  readonly #turns = new Turns();
  readonly #fetch$: typeof fetch$;

  constructor(
    readonly url: URL,
    readonly config: MailboxServerConfig,
  ) {
    this.#clock = new ServerClock(config.runtime.timeOfDay);
    this.#fetch$ = config.fetch$ ?? fetch$;
  }

  /** What comes for this node, for ever. */
  parcel$(): Observable<Parcel> {
    const { scheduler, random } = this.config.runtime;
    return defer(() => {
      const receipts = new Receipts(() => scheduler.now());
      const taken$ = defer(() => this.#take$(receipts)).pipe(
        retry({
          delay: (_, count) => timer(backoffMs(count, BACKOFF.firstMs, BACKOFF.mostMs, random), scheduler),
        }),
      );
      return timer(0, PACE_MS, scheduler).pipe(
        filter(() => receipts.hasRoom()),
        exhaustMap(() => taken$),
        mergeMap((messages) => receipts.take(messages)),
      );
    });
  }

  /** Puts a message there: signals to one receiver one after the other, so that they arrive in their order. */
  put$({ to, id, message, until }: Outgoing, family: 4 | 6 | undefined): Observable<Delivery> {
    const { identity, runtime } = this.config;
    const put$ = this.#ask$({
      verb: 'put',
      body: (at) => {
        const keepMs = Math.max(0, until - runtime.timeOfDay());
        return encode({ from: identity.peerId, to, id, at, keepMs, message });
      },
      decode: decodeDelivered,
      withinMs: ANSWER_MS,
      family,
    }).pipe(
      map((isDelivered): Delivery => (isDelivered ? 'delivered' : 'kept')),
      catchError(() => of<Delivery>('absent')),
    );
    return this.#turns.of(to, put$);
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

  #tell(failure: string | undefined): void {
    this.config.trace?.({ type: 'server', kind: 'mailbox', server: this.url.href, failure });
  }

  /** Asks, and again where the server wants another time. */
  #ask$<T>({ verb, body, decode, withinMs, family }: Question<T>): Observable<T> {
    const { identity, localAddress, runtime } = this.config;
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
      readingClock(runtime, (reading) => {
        this.config.trace?.({ type: 'clock', server: this.url.href, ...reading });
      }),
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
      tap({
        next: () => {
          this.#tell(undefined);
        },
        error: (error: unknown) => {
          // A refusal of one message does not mean that the server fails.
          if (error instanceof RefusedError && error.isOfMessage) return;
          this.#tell(error instanceof RefusedError ? error.failure : failureOf(error, 'mailbox'));
        },
      }),
    );
  }
}

/** Refusals of one message. */
const OF_MESSAGE: readonly RefusalCode[] = ['recipient-full', 'sender-full', 'too-large', 'too-often'];

/** A server refused, or gave an unexpected answer. */
class RefusedError extends HttpError {
  readonly failure: string;
  /** Whether it is about one message or its receiver. */
  readonly isOfMessage: boolean;

  constructor(
    url: URL,
    readonly refusal: Refusal | undefined,
    status: number,
  ) {
    super(`${url.origin} refused: ${refusal?.words ?? `HTTP status ${status}`}`);
    const isNone = `answers, but is no mailbox (HTTP status ${status})`;
    this.failure = refusal === undefined ? isNone : `refuses: ${refusal.words}`;
    this.isOfMessage = refusal !== undefined && OF_MESSAGE.includes(refusal.refused);
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

/** A queue for each receiver, for as long as somebody is in it. */
class Turns {
  readonly #queues = new Map<PeerId, { readonly turn: Turn; waiting: number }>();

  of<T>(to: PeerId, source$: Observable<T>): Observable<T> {
    return defer(() => {
      const queue = this.#queues.get(to) ?? { turn: takeTurns(), waiting: 0 };
      queue.waiting++;
      this.#queues.set(to, queue);
      return queue.turn(source$).pipe(
        finalize(() => {
          if (--queue.waiting === 0) this.#queues.delete(to);
        }),
      );
    });
  }
}
