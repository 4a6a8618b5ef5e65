import {
  catchError,
  defer,
  finalize,
  map,
  mergeMap,
  of,
  ReplaySubject,
  retry,
  share,
  switchMap,
  take,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import { failureOf, TimeoutError } from '../../errors.js';
import type { fetch$ } from '../../http.js';
import type { Identity, PeerId } from '../../identity.js';
import { NotUpgradedError } from '../../link/upgrade.js';
import { backoffMs } from '../../operators/backoff.js';
import { takeTurns, type Turn } from '../../operators/take-turns.js';
import { within } from '../../operators/within.js';
import type { Runtime } from '../../runtime.js';
import type { Delivery, Parcel } from '../carrier.js';
import type { SignalTrace } from '../steps.js';
import type { RefusalCode } from './mailbox-messages.js';
import { Receipts } from './mailbox-receipts.js';
import { ANSWER_MS, MailboxRequests, RefusedError, type Outgoing } from './mailbox-requests.js';
import { DeclinedError, mailboxSession$, SessionRefusedError, type MailboxSession } from './mailbox-session.js';

/** What talking to a mailbox server needs. */
export interface MailboxServerConfig {
  readonly identity: Identity;
  /** The local address to leave from. By default the system chooses. */
  readonly localAddress?: string | undefined;
  readonly runtime: Runtime;
  readonly trace?: SignalTrace | undefined;
  /** Replaces HTTP requests in specs. */
  readonly fetch$?: typeof fetch$ | undefined;
  /** Replaces sessions in specs. */
  readonly session$?: typeof mailboxSession$ | undefined;
}

/** Pauses after failures. A restarted server is back in seconds; asking a dead one once a minute does no harm. */
const BACKOFF = { firstMs: 500, mostMs: 60_000 };

/** The pause after another program with the same key has taken the messages: the two would go on taking turns. */
const REPLACED_MS = 30_000;

/** A session that does not answer a message in this time, in milliseconds, is given up for a new one. */
const SESSION_ANSWER_MS = ANSWER_MS / 2;

/** Refusals of one message. */
const OF_MESSAGE: readonly RefusalCode[] = ['recipient-full', 'sender-full', 'too-large', 'too-often'];

/** Refusals of sessions by servers that answer requests all the same: they do not know by which name they were called. */
const OF_SESSIONS: readonly string[] = ['wrong-server', 'bad-proof'];

/**
 * One mailbox server, as this node sees it: by a session where it has them, otherwise by requests. A session is held for as long as
 * messages are taken; without that, each message has its own.
 */
export class MailboxServer {
  readonly #turns = new Turns();
  readonly #requests: MailboxRequests;
  readonly #session$: Observable<MailboxSession>;
  /** The server, or what stands before it, has no sessions. */
  #isByRequests = false;
  /** The session that is held. */
  #held: MailboxSession | undefined;

  constructor(
    readonly url: URL,
    readonly config: MailboxServerConfig,
  ) {
    this.#requests = new MailboxRequests(url, { ...config, readClock: this.#readClock });
    this.#session$ = this.#open$(undefined).pipe(
      tap((session) => {
        this.#held = session;
      }),
      finalize(() => {
        this.#held = undefined;
      }),
      share({ connector: () => new ReplaySubject(1) }),
    );
  }

  /** What comes for this node, for ever. */
  parcel$(): Observable<Parcel> {
    const { scheduler, random } = this.config.runtime;
    return defer(() => {
      const receipts = new Receipts(() => scheduler.now());
      let failures = 0;
      const bySession$ = this.#session$.pipe(switchMap((session) => session.messages$(receipts)));
      return this.#either$(bySession$, this.#requests.messages$(receipts)).pipe(
        tap(() => {
          failures = 0;
        }),
        mergeMap((messages) => receipts.take(messages)),
        retry({
          delay: (error: unknown) => {
            const isReplaced = error instanceof SessionRefusedError && error.refusal === 'replaced';
            return timer(
              isReplaced ? REPLACED_MS : backoffMs(++failures, BACKOFF.firstMs, BACKOFF.mostMs, random),
              scheduler,
            );
          },
        }),
      );
    });
  }

  /** Puts a message there: signals to one receiver one after the other, so that they arrive in their order. */
  put$(outgoing: Outgoing, family: 4 | 6 | undefined): Observable<Delivery> {
    const put$ = this.#either$(this.#putBySession$(outgoing, family), this.#requests.put$(outgoing, family)).pipe(
      map((isDelivered): Delivery => (isDelivered ? 'delivered' : 'kept')),
      catchError(() => of<Delivery>('absent')),
    );
    return this.#turns.of(outgoing.to, put$);
  }

  #putBySession$({ to, id, message, until }: Outgoing, family: 4 | 6 | undefined): Observable<boolean> {
    const { runtime } = this.config;
    let wasOpen = false;
    return defer(() => {
      const isHeldOne = family === undefined || this.#held?.family === family;
      return (isHeldOne ? this.#session$ : this.#open$(family)).pipe(
        switchMap((session) => {
          wasOpen = true;
          const keepMs = Math.max(0, Math.floor(until - runtime.timeOfDay()));
          return session.put$({ to, id, message, keepMs }).pipe(
            within(SESSION_ANSWER_MS, `${this.url.origin} did not answer`, runtime.scheduler),
            tap({
              error: (error: unknown) => {
                // What stands between may have forgotten the connection.
                if (error instanceof TimeoutError) session.drop();
              },
            }),
          );
        }),
        take(1),
      );
    }).pipe(
      retry({
        count: 1,
        delay: (error: unknown) => {
          // A session that was held may have been dead for a while; a server that is not there is not asked twice.
          if (!wasOpen || isAnswer(error)) throw error;
          return of(undefined);
        },
      }),
    );
  }

  /** Does something by a session, and by requests where the server has none. */
  #either$<T>(bySession$: Observable<T>, byRequests$: Observable<T>): Observable<T> {
    return defer(() => {
      if (this.#isByRequests) return byRequests$;
      return bySession$.pipe(
        catchError((error: unknown) => {
          if (!hasNoSessions(error)) throw error;
          this.#isByRequests = true;
          return byRequests$;
        }),
      );
    }).pipe(
      tap({
        next: () => {
          this.#tell(undefined);
        },
        error: (error: unknown) => {
          // A refusal of one message does not mean that the server fails.
          if (!isOfMessage(error)) this.#tell(wordsOf(error));
        },
      }),
    );
  }

  #open$(family: 4 | 6 | undefined): Observable<MailboxSession> {
    const { identity, localAddress, runtime, session$ = mailboxSession$ } = this.config;
    return defer(() =>
      session$(this.url, {
        identity,
        localAddress,
        family,
        withinMs: ANSWER_MS,
        runtime,
        readClock: this.#readClock,
      }),
    );
  }

  readonly #readClock = (reading: { readonly aheadMs: number; readonly uncertainMs: number }): void => {
    this.config.trace?.({ type: 'clock', server: this.url.href, ...reading });
  };

  #tell(failure: string | undefined): void {
    this.config.trace?.({ type: 'server', kind: 'mailbox', server: this.url.href, failure });
  }
}

/** Whether the server has answered, so that asking again is of no use. */
function isAnswer(error: unknown): boolean {
  return error instanceof DeclinedError || error instanceof SessionRefusedError || error instanceof NotUpgradedError;
}

/** Whether requests may do where a session cannot be had: the server, or a proxy before it, does not change to another protocol. */
function hasNoSessions(error: unknown): boolean {
  if (error instanceof SessionRefusedError) return OF_SESSIONS.includes(error.refusal);
  if (!(error instanceof NotUpgradedError)) return false;
  const { status } = error;
  // Too many requests, or a server that is not there now.
  return status !== 408 && status !== 429 && (status < 500 || status === 501);
}

function isOfMessage(error: unknown): boolean {
  if (error instanceof DeclinedError) return OF_MESSAGE.includes(error.refusal);
  return error instanceof RefusedError && error.refusal !== undefined && OF_MESSAGE.includes(error.refusal.refused);
}

/** How a server fails, in words. */
function wordsOf(error: unknown): string {
  if (error instanceof DeclinedError || error instanceof SessionRefusedError) return `refuses: ${error.words}`;
  if (!(error instanceof RefusedError)) return failureOf(error, 'mailbox');
  const isNone = `answers, but is no mailbox (HTTP status ${error.status})`;
  return error.refusal === undefined ? isNone : `refuses: ${error.refusal.words}`;
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
