import { Subject, Subscription, type Observable } from 'rxjs';
import type { PeerId } from '../identity.js';
import { Authors } from './author/authors.js';
import { HEADER_BYTES, readMessage, type SignedMessage } from './author/message.js';
import type { Verdict } from './broadcast/interface.js';
import type { Carried } from './broadcast/messages.js';
import { contentOf, isContent, isWellFormed } from './contents.js';
import type { GossipOutput } from './gossip.js';
import type { RoomNet } from './host.js';
import { InOrder } from './in-order.js';
import type { RoomMessage } from './interface.js';
import type { ResolvedJoin } from './options.js';
import { Validation } from './validation.js';
import { ReadMessage } from './wire/broadcast.js';

/** As many times as in a second may come of an author at once. */
export const BURST = 10;

/** What checking and delivering messages needs. */
interface DeliveryConfig {
  readonly join: ResolvedJoin;
  readonly topic: Uint8Array;
  /** This node. */
  readonly own: PeerId;
  readonly runtime: RoomNet['runtime'];
  /** A member has said something now, of whatever kind, which has come by a neighbour. */
  readonly heard: (signed: SignedMessage, by: PeerId) => void;
}

/** The way of a message from the broadcast to the application: checked by its author and by the application, then passed on in order. */
export class Delivery {
  readonly messages$: Observable<RoomMessage>;

  readonly #config: DeliveryConfig;
  readonly #authors: Authors;
  readonly #validation: Validation;
  readonly #order: InOrder | undefined;
  readonly #messages = new Subject<RoomMessage>();
  readonly #judging = new Subscription();

  constructor(config: DeliveryConfig) {
    const { join, topic, runtime } = config;
    const { scheduler, timeOfDay } = runtime;
    const { members: most, messagesPerSecond: perSecond } = join.limits;
    const now = () => scheduler.now();
    this.#config = config;
    this.messages$ = this.#messages.asObservable();
    this.#authors = new Authors({ topic, most, perSecond, burst: BURST * perSecond, now, timeOfDay });
    this.#validation = new Validation(join.validate, scheduler);
    this.#order = join.ordered ? new InOrder(scheduler) : undefined;
  }

  /** Whether a message was signed by its author for this room. */
  isGenuine(signed: SignedMessage, bytes: Buffer): boolean {
    return this.#authors.isGenuine(signed, bytes);
  }

  /** Checks a message: the verdict comes at once, unless the application takes its time. */
  check(
    { from, message, isPast }: Extract<GossipOutput, { readonly type: 'check' }>,
    answer: (verdict: Verdict) => void,
  ): void {
    const signed = signedOf(message);
    const verdict = this.#verdictOn(signed, message, from, isPast);
    if (verdict !== 'accept' || !isContent(signed)) {
      answer(verdict);
      return;
    }
    // It leaves the Subscription by itself when the verdict has come.
    const judged = (judgement: Verdict) => {
      if (judgement !== 'accept') this.#order?.skip(signed);
      answer(judgement);
    };
    this.#judging.add(this.#validation.judge(contentOf(signed, 0, false), judged));
  }

  /** Passes on a message that was accepted. */
  deliver({ from, message, hops, isPast }: Extract<GossipOutput, { readonly type: 'deliver' }>): void {
    const signed = signedOf(message);
    const pass = () => {
      if (isContent(signed)) this.#messages.next(contentOf(signed, hops, isPast));
    };
    // Of the past nobody knows whether its author is still there.
    if (!isPast) this.#config.heard(signed, from);
    if (this.#order === undefined || isPast) pass();
    else this.#order.add(signed, pass);
  }

  /** Nothing that waits for the application or for its turn is passed on any more. */
  stop(): void {
    this.#judging.unsubscribe();
    this.#order?.close();
  }

  /** Ends {@link messages$}. */
  complete(): void {
    this.#messages.complete();
  }

  #verdictOn(signed: SignedMessage, { bytes }: Carried, from: PeerId, isPast: boolean): Verdict {
    const { join, own } = this.#config;
    if (bytes.length > HEADER_BYTES + join.limits.messageBytes || !isWellFormed(signed)) return 'reject';
    // This node's own, which has come back.
    if (signed.author === own) return 'ignore';
    const isNew = this.#authors.isNew(signed, isPast);
    const verdict = this.#authors.judge(signed, bufferOf(bytes), from, isPast);
    // Its author has said it, but says more than it may.
    if (isNew && verdict === 'ignore') this.#order?.skip(signed);
    return verdict;
  }
}

/** A message that has come by the wire has been read already. */
function signedOf(message: Carried): SignedMessage {
  return message instanceof ReadMessage ? message.signed : readMessage(bufferOf(message.bytes));
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
