import {
  catchError,
  concat,
  defaultIfEmpty,
  defer,
  EMPTY,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  NEVER,
  of,
  ReplaySubject,
  retry,
  share,
  Subject,
  switchMap,
  take,
  tap,
  timeout,
  timer,
  type Observable,
} from 'rxjs';
import { ownBytes } from '../../bounds/own-bytes.js';
import type { BrokerAddress } from '../../broker-name.js';
import { failureOf, UnavailableError } from '../../errors.js';
import type { Identity, PeerId } from '../../identity.js';
import {
  decodeParcel,
  decodeReceipt,
  digestOf,
  encodeParcel,
  encodeReceipt,
  inboxOf,
  isReceiptOf,
  sessionNames,
  topicOf,
  type SessionNames,
} from '../../mqtt/messages.js';
import type { MqttVersion } from '../../mqtt/packets.js';
import {
  BringAgainError,
  BrokerRefusedError,
  FIRST_FAILURE,
  NO_SUBSCRIBERS,
  UnansweredError,
} from '../../mqtt/refusals.js';
import { mqttSession$, type BrokerMessage, type MqttSession } from '../../mqtt/session.js';
import { backoffMs } from '../../operators/backoff.js';
import { KEEP_MAX_MS } from '../../parcel.js';
import type { Runtime } from '../../runtime.js';
import type { Delivery, Parcel } from '../carrier.js';
import type { SignalTrace } from '../steps.js';

/** What talking to a broker needs. */
export interface MqttBrokerConfig {
  readonly identity: Identity;
  /** The local address to leave from. By default the system chooses. */
  readonly localAddress?: string | undefined;
  readonly runtime: Pick<Runtime, 'dial$' | 'webTls$' | 'scheduler' | 'random'>;
  readonly trace: SignalTrace;
}

/** A send waits so long, in milliseconds, for a session that is being opened. */
const SESSION_MS = 2_000;

/**
 * What a broker has taken counts as kept, or lost, when there is no receipt within this time, in milliseconds: a round trip, and up to a
 * second for which the receiver may wait for an earlier signal.
 */
const RECEIPT_MS = 2_000;

/** A send takes so long at most: a session, the broker's answer, the receipt. */
export const SEND_MS = SESSION_MS + 5_000 + RECEIPT_MS;

/** Brokers count in seconds. What is of use for less than one is for those who are there. */
const SECOND_MS = 1_000;

/** Pauses after failures. A restarted broker is back in seconds; asking a dead one once a minute does no harm. */
const BACKOFF = { firstMs: 500, mostMs: 60_000 };

/** A session that was open for so long, in milliseconds, was none that fails at once. */
const STABLE_MS = 30_000;

/** How many wrong receipts for one message are looked at. To check one takes a fraction of a millisecond. */
const MAX_WRONG_RECEIPTS = 8;

/** A message whose receipt is waited for. */
interface Sent {
  readonly to: PeerId;
  readonly delivered: Subject<Delivery>;
  wrong: number;
}

/** One broker, as this node sees it. */
export class MqttBroker {
  readonly #received = new Subject<Parcel>();
  /** By their digests. */
  readonly #sent = new Map<string, Sent>();
  /** By MQTT 3.1.1 once the broker has turned out to speak no other, and again by 5 should that fail. */
  #version: MqttVersion = 5;
  #failures = 0;
  #madeNames: SessionNames | undefined;
  #openedAt = 0;

  /** The session; `undefined` when it was lost, until there is another. */
  readonly #session$: Observable<MqttSession | undefined> = defer(() => this.#opened$()).pipe(
    catchError((error: unknown) => concat(of(undefined), failing$(error))),
    retry({ delay: (error: unknown) => this.#pause$(error) }),
    share({ connector: () => new ReplaySubject(1), resetOnRefCountZero: true }),
  );

  constructor(
    readonly broker: BrokerAddress,
    readonly config: MqttBrokerConfig,
  ) {}

  /** What comes for this node, for ever. */
  parcel$(): Observable<Parcel> {
    return merge(this.#received, this.#session$.pipe(ignoreElements()));
  }

  /** Sends a parcel. Emits once what became of it, and completes. */
  send$(to: PeerId, bytes: Buffer, keepMs: number): Observable<Delivery> {
    return this.#session$.pipe(
      filter((session) => session !== undefined),
      timeout({ first: SESSION_MS, scheduler: this.config.runtime.scheduler, with: () => EMPTY }),
      switchMap((session) => this.#published$(session, to, bytes, keepMs)),
      catchError(() => EMPTY),
      take(1),
      defaultIfEmpty<Delivery, Delivery>('absent'),
    );
  }

  get #names(): SessionNames {
    return (this.#madeNames ??= sessionNames(this.config.identity, this.broker.url));
  }

  #opened$(): Observable<MqttSession> {
    const { identity, localAddress, runtime } = this.config;
    const inbox = inboxOf(identity.peerId);
    if (inbox === undefined) return NEVER;
    const { clientId, receipts: name } = this.#names;
    const receipts = topicOf(name);
    return mqttSession$({
      broker: this.broker,
      version: this.#version,
      clientId,
      topics: [inbox, receipts],
      keepSeconds: KEEP_MAX_MS / SECOND_MS,
      localAddress,
      runtime,
      onMessage: (message, session) => {
        if (message.topic === inbox) this.#take(message, session);
        else message.acknowledge();
        if (message.topic === receipts) this.#settle(message.payload);
      },
    }).pipe(
      tap(() => {
        this.#openedAt = runtime.scheduler.now();
        this.#tell(undefined);
      }),
    );
  }

  #published$(session: MqttSession, to: PeerId, bytes: Buffer, keepMs: number): Observable<Delivery> {
    const inbox = inboxOf(to);
    if (inbox === undefined) return of('absent');
    return defer(() => {
      const isKept = session.keeps && keepMs >= SECOND_MS;
      const payload = encodeParcel(bytes, this.#names.receipts);
      const digest = digestOf(payload);
      const sent: Sent = { to, delivered: new Subject(), wrong: 0 };
      this.#sent.set(digest, sent);
      const published$ = session.publish$({
        topic: inbox,
        payload,
        keepSeconds: isKept ? Math.ceil(Math.min(keepMs, KEEP_MAX_MS) / SECOND_MS) : undefined,
        // A broker of 3.1.1 keeps nothing for a session that it does not keep.
        isAcknowledged: isKept || !session.keeps,
      });
      const late$ = timer(RECEIPT_MS, this.config.runtime.scheduler).pipe(
        map((): Delivery => (isKept ? 'kept' : 'absent')),
      );
      const undelivered$ = published$.pipe(
        switchMap((code) => (code === NO_SUBSCRIBERS || code >= FIRST_FAILURE ? of<Delivery>('absent') : late$)),
      );
      return merge(sent.delivered, undelivered$).pipe(
        take(1),
        finalize(() => this.#sent.delete(digest)),
      );
    });
  }

  /** Passes on what has come for this node. */
  #take({ payload, acknowledge }: BrokerMessage, session: MqttSession): void {
    const message = decodeParcel(payload);
    if (message === undefined) {
      acknowledge();
      return;
    }
    this.#received.next({
      bytes: ownBytes(message.parcel),
      from: undefined,
      seenAt: undefined,
      via: this.broker.url,
      acknowledge: () => {
        acknowledge();
        const receipt = encodeReceipt(this.config.identity, payload);
        // It is of use at once or not at all.
        session
          .publish$({ topic: topicOf(message.receipts), payload: receipt, isAcknowledged: false })
          .subscribe({ error: () => undefined });
      },
    });
  }

  /** Takes a receipt. */
  #settle(payload: Buffer): void {
    const receipt = decodeReceipt(payload);
    const sent = receipt && this.#sent.get(receipt.digest);
    if (receipt === undefined || sent === undefined || sent.wrong >= MAX_WRONG_RECEIPTS) return;
    if (isReceiptOf(sent.to, receipt)) sent.delivered.next('delivered');
    else sent.wrong++;
  }

  /** The pause before the next session. Tells why the last one has ended. */
  #pause$(error: unknown): Observable<unknown> {
    const { scheduler, random } = this.config.runtime;
    const wasOpen = this.#openedAt > 0;
    if (wasOpen && scheduler.now() - this.#openedAt >= STABLE_MS) this.#failures = 0;
    this.#openedAt = 0;
    if (error instanceof BringAgainError) return timer(0, scheduler);
    // Another version is tried once for each that has failed.
    const isOfVersion = error instanceof BrokerRefusedError && error.isOfVersion;
    if (isOfVersion || error instanceof UnansweredError) {
      this.#version = this.#version === 5 ? 4 : 5;
      if (this.#version === 4) return timer(0, scheduler);
    }
    this.#tell(error instanceof BrokerRefusedError ? error.message : failureOf(error, 'MQTT broker'));
    // Final: the package is not installed.
    if (error instanceof UnavailableError) return NEVER;
    return timer(backoffMs(++this.#failures, BACKOFF.firstMs, BACKOFF.mostMs, random), scheduler);
  }

  #tell(failure: string | undefined): void {
    this.config.trace({ type: 'server', kind: 'MQTT', server: this.broker.url, failure });
  }
}

function failing$(error: unknown): Observable<never> {
  return defer(() => {
    throw error;
  });
}
