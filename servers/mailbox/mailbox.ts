import { siteBuckets } from '../../lib/bounds/rate-limit.js';
import type { Runtime } from '../../lib/runtime.js';
import { MAX_TAKEN, type RefusalCode, type TakenMessage } from '../../lib/signalling/carriers/mailbox-messages.js';
import type { RedisConnection } from '../store/redis/connection.js';
import type { Soon } from '../store/store.js';
import type { Watch } from '../watch.js';
import { Boxes } from './boxes.js';
import type { Kept } from './kept.js';
import type { MailboxServerLimits } from './limits.js';
import type { MessageBoxes, Visits } from './message-boxes.js';
import { Owners } from './owners.js';
import { Polls } from './polls.js';
import { Pyp2pMailbox } from './pyp2p/mailbox.js';
import { SharedBoxes } from './shared/boxes.js';
import { SharedVisits } from './shared/visits.js';
import type { MessageStore } from './store.js';

/** The most bytes of messages that are brought at once: few enough for a slow client. */
export const TAKEN_MAX_BYTES = 256 * 1024;

/** What a {@link Mailbox} needs. */
interface MailboxConfig {
  readonly store: MessageStore;
  /** What several servers share; `undefined` where this is the only one. */
  readonly shared: SharedMailbox | undefined;
  readonly limits: MailboxServerLimits;
  readonly runtime: Runtime;
  readonly watch: Watch;
}

/** A Redis in which several servers keep the messages and visits of all. */
export interface SharedMailbox {
  readonly connection: RedisConnection;
  /** In how many places they are. */
  readonly places: number;
}

/** A message to keep, from a sender whose key is proven. */
interface Putting {
  readonly from: string;
  readonly to: string;
  readonly id: string;
  /** For how long it is of use, in milliseconds. */
  readonly keepMs: number;
  /** In base64url. */
  readonly message: string;
  /** The sender's address. */
  readonly seenAt: string;
}

/** What became of a message: it is kept, and its receiver is there or not; or it is refused. */
export type Outcome = { readonly isPresent: boolean } | { readonly refused: RefusalCode; readonly words: string };

/** Keeps messages and hands them over, by whatever way they are asked for: {@link Requests}, sessions, and PyP2P's requests. */
export class Mailbox {
  readonly boxes: MessageBoxes;
  readonly polls: Polls;
  readonly visits: Visits;
  readonly pyp2p: Pyp2pMailbox;
  /** Whether a site may ask once more. */
  readonly mayAsk: (site: string) => boolean;
  /** Whether messages are in several processes. */
  readonly isShared: boolean;
  /** Those of this process alone: {@link Mailbox.boxes}, where nothing is shared. */
  readonly #own: Boxes;
  readonly #maySend: (sender: string) => boolean;
  readonly #forget: () => void;
  #isDraining = false;

  readonly store: MessageStore;
  readonly limits: MailboxServerLimits;
  readonly runtime: Runtime;
  readonly watch: Watch;

  constructor({ store, shared, limits, runtime, watch }: MailboxConfig) {
    this.store = store;
    this.limits = limits;
    this.runtime = runtime;
    this.watch = watch;
    const { timeOfDay, scheduler } = runtime;
    const now = () => scheduler.now();
    const arrived = (to: string) => {
      this.polls.wake(to);
    };
    this.polls = new Polls(limits, scheduler, (owner, isWaiting) => {
      if (isWaiting) void this.boxes.listen(owner);
      else this.boxes.leave(owner);
    });
    // PyP2P's mailboxes are each server's own.
    const own = new Boxes({ store, limits, now: timeOfDay, watch, arrived });
    this.isShared = shared !== undefined;
    if (shared === undefined) {
      this.boxes = own;
      this.visits = new Owners({ most: limits.owners, now, timeOfDay });
    } else {
      this.boxes = new SharedBoxes({ ...shared, limits, now: timeOfDay, watch, arrived });
      this.visits = new SharedVisits({ ...shared, most: limits.owners, now: timeOfDay });
    }
    this.pyp2p = new Pyp2pMailbox({ store, boxes: own, polls: this.polls, limits, runtime });
    this.#own = own;
    this.#forget = watch.gauge('mailboxPolls', () => this.polls.size);
    const { requestsPerSecond, requestBurst, putsPerMinute, putBurst } = limits;
    this.mayAsk = siteBuckets({ perSecond: requestsPerSecond, burst: requestBurst, now });
    this.#maySend = siteBuckets({ perSecond: putsPerMinute / 60, burst: putBurst, now });
  }

  /** Nobody is to wait here any more. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  async load(): Promise<void> {
    await this.#own.load();
    await this.pyp2p.load();
  }

  async sweep(): Promise<void> {
    await this.pyp2p.sweep();
    await this.#own.sweep();
    if (this.isShared) await this.boxes.sweep();
  }

  /** Nobody waits here any more: they can wait elsewhere. What is here to be taken is still handed over. */
  drain(): void {
    this.#isDraining = true;
    this.polls.endAll();
  }

  close(): void {
    this.polls.close();
    this.#own.close();
    if (this.isShared) this.boxes.close();
    this.#forget();
  }

  /** @throws StoreError when the store cannot be used. */
  async put({ from: sender, to, id, keepMs, message, seenAt }: Putting): Promise<Outcome> {
    const { messageBytes, keepMs: mostMs } = this.limits;
    if (Buffer.byteLength(message, 'base64url') > messageBytes) {
      return { refused: 'too-large', words: `a message has at most ${messageBytes} bytes` };
    }
    if (!this.#maySend(sender)) return { refused: 'too-often', words: 'too many messages from this sender' };
    const arrived = this.runtime.timeOfDay();
    // Whether the receiver is there shall be told as it was when the message came.
    const presence = this.polls.has(to) || this.visits.isPresent(to);
    // The message is kept, whatever else the store can tell.
    const isPresent = typeof presence === 'boolean' ? presence : presence.catch(() => false);
    const refused = await this.boxes.put({
      to,
      from: sender,
      id,
      message,
      seenAt,
      receipt: this.runtime.newId(),
      arrived,
      expires: arrived + Math.max(1, Math.min(keepMs, mostMs)),
    });
    this.watch.took('mailbox write', Math.max(0, this.runtime.timeOfDay() - arrived));
    if (refused !== undefined) return { refused, words: 'there is no room for the message' };
    const outcome = { isPresent: typeof isPresent === 'boolean' ? isPresent : await isPresent };
    this.watch.count('mailboxPuts', outcome.isPresent ? 'awaited' : 'kept');
    return outcome;
  }

  /** What is there for a receiver, but for what it has, as far as it fits into one answer. */
  list(owner: string, held: ReadonlySet<string>, bytes = TAKEN_MAX_BYTES): Soon<readonly Kept[]> {
    return this.boxes.list(owner, held, { messages: MAX_TAKEN, bytes });
  }

  /** A message as its receiver is told of it. */
  taken({ receipt, from, message, seenAt, arrived }: Kept): TakenMessage {
    return { receipt, from, message, seenAt, ageMs: Math.max(0, this.runtime.timeOfDay() - arrived) };
  }
}
