import { Subject } from 'rxjs';
import type { Parcel } from '../carrier.js';
import { MAX_RECEIPTS, MAX_TAKEN, type TakenMessage } from './mailbox-messages.js';

/**
 * After this time, in milliseconds, the server may bring an unacknowledged message again: it was dropped here. Handling takes a
 * few seconds at most.
 */
export const HELD_MS = 10_000;

/** The receipts of messages that a server has brought: those being handled, and those handled and not yet acknowledged. */
export class Receipts {
  /** When each was brought. */
  readonly #held = new Map<string, number>();
  readonly #done = new Set<string>();
  readonly #changed = new Subject<void>();

  /** Emits when a message has been handled or may be brought again, so that the server is told. */
  readonly changed$ = this.#changed.asObservable();

  constructor(readonly now: () => number) {}

  /** Gives up those that were not handled in time, so that the server brings them again. Returns whether there were any. */
  giveUp(): boolean {
    const before = this.#held.size;
    for (const [receipt, since] of this.#held) {
      // In the order in which they came.
      if (since + HELD_MS > this.now()) break;
      this.#held.delete(receipt);
      this.#changed.next();
    }
    return this.#held.size < before;
  }

  /** Whether the next answer can be held: else it is not asked for. */
  hasRoom(): boolean {
    this.giveUp();
    return this.#held.size + MAX_TAKEN <= MAX_RECEIPTS;
  }

  /** The parcels of new messages; messages that came again are left out. */
  take(messages: readonly TakenMessage[]): readonly Parcel[] {
    return messages
      .filter(({ receipt }) => !this.#held.has(receipt) && !this.#done.has(receipt))
      .map(({ receipt, from, message, seenAt }) => {
        this.#held.set(receipt, this.now());
        const acknowledge = () => {
          this.#held.delete(receipt);
          this.#done.add(receipt);
          this.#changed.next();
        };
        return { bytes: Buffer.from(message, 'base64url'), from, seenAt, acknowledge };
      });
  }

  holding(): readonly string[] {
    return [...this.#held.keys()];
  }

  /** How many are to be acknowledged. */
  get countDone(): number {
    return this.#done.size;
  }

  /** What is to be acknowledged. */
  done(): readonly string[] {
    return [...this.#done].slice(0, MAX_RECEIPTS);
  }

  /** These are acknowledged. */
  forget(receipts: readonly string[]): void {
    for (const receipt of receipts) this.#done.delete(receipt);
  }
}
