import { noop } from 'rxjs';
import { ownText } from '../../lib/bounds/own-text.js';
import { MAX_RECEIPTS, MAX_TAKEN, type TakenMessage } from '../../lib/signalling/carriers/mailbox-messages.js';
import type { Outbox } from '../lines/outbox.js';
import type { Kept } from './kept.js';
import { TAKEN_MAX_BYTES, type Mailbox } from './mailbox.js';

/** Who is brought messages. */
interface Receiver {
  readonly owner: string;
  bring(message: TakenMessage): void;
}

/** A shared store is asked again for what may have come unheard after this time at the earliest, in milliseconds. */
const LOOK_MS = 15_000;

/**
 * Brings a receiver what is there and what comes, each message once, and no more than it can have without having acknowledged any:
 * {@link MAX_RECEIPTS} messages and {@link TAKEN_MAX_BYTES}.
 */
export class Bringing {
  readonly #receiver: Receiver;
  readonly #mailbox: Mailbox;
  readonly #outbox: Outbox;
  /** What the receiver has and has not acknowledged, by receipt, with its size. There is none while it has nothing. */
  #held: Map<string, number> | undefined;
  #heldBytes = 0;
  #lookedAt = 0;
  /** How many times it has begun. */
  #begun = 0;
  /** Something may have come since it was looked. */
  #isDue = false;
  /** The store is being asked for what there is; and whether something may have come since. */
  #isListing = false;
  #isStale = false;
  #isOver = false;

  constructor(receiver: Receiver, mailbox: Mailbox, outbox: Outbox) {
    this.#receiver = receiver;
    this.#mailbox = mailbox;
    this.#outbox = outbox;
  }

  /** Begins anew: with all but these. */
  begin(holding: readonly string[]): void {
    this.#held = holding.length === 0 ? undefined : new Map(holding.map((receipt) => [ownText(receipt), 0]));
    this.#begun++;
    this.#heldBytes = 0;
    this.soon();
  }

  /** The receiver has dealt with these: they are deleted. What it was not brought, nor has named, is not asked of the store. */
  acknowledge(receipts: readonly string[]): void {
    const brought = receipts.filter((receipt) => this.#held?.has(receipt));
    if (brought.length === 0) return;
    for (const receipt of brought) {
      this.#heldBytes -= this.#held?.get(receipt) ?? 0;
      this.#held?.delete(receipt);
    }
    if (this.#held?.size === 0) this.#held = undefined;
    // If the store cannot be used, they come again.
    this.#mailbox.boxes.acknowledge(this.#receiver.owner, brought).catch(noop);
    this.soon();
  }

  /** The receiver has given a sign of life: in a shared store something may have come unheard, which is looked for now and then. */
  lookAgain(): void {
    const now = this.#mailbox.runtime.scheduler.now();
    if (!this.#mailbox.isShared || now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    this.soon();
  }

  /** Looks for what has come: what comes at the same time is brought together. */
  soon(): void {
    if (this.#isDue || this.#isOver) return;
    this.#isDue = true;
    this.#outbox.add(this);
  }

  close(): void {
    this.#isOver = true;
  }

  get #count(): number {
    return this.#held?.size ?? 0;
  }

  flush(): void {
    this.#isDue = false;
    const room = TAKEN_MAX_BYTES - this.#heldBytes;
    // Without room it goes on when something is acknowledged.
    if (this.#isOver || room <= 0 || this.#count + MAX_TAKEN > MAX_RECEIPTS) return;
    if (this.#isListing) {
      this.#isStale = true;
      return;
    }
    const listed = this.#mailbox.list(this.#receiver.owner, new Set(this.#held?.keys()), room);
    if (listed instanceof Promise) void this.#bringLater(listed, this.#begun);
    else this.#bring(listed);
  }

  async #bringLater(listed: Promise<readonly Kept[]>, begun: number): Promise<void> {
    this.#isListing = true;
    this.#isStale = false;
    try {
      const messages = await listed;
      // It may have begun anew meanwhile.
      if (this.#begun === begun) this.#bring(messages);
      else this.#isStale = true;
    } catch {
      // The store is gone. When the receiver gives a sign of life, it is looked again.
    }
    this.#isListing = false;
    if (this.#isStale) this.soon();
  }

  #bring(messages: readonly Kept[]): void {
    if (this.#isOver || messages.length === 0) return;
    this.#mailbox.watch.count('mailboxTakes', 'messages');
    this.#held ??= new Map();
    for (const kept of messages) {
      const size = kept.message.length;
      // The receipt is a part of the text that is kept of the message.
      this.#held.set(ownText(kept.receipt), size);
      this.#heldBytes += size;
      this.#receiver.bring(this.#mailbox.taken(kept));
    }
    // There may be more.
    this.soon();
  }
}
