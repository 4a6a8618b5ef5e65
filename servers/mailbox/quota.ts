import { ownText } from '../../lib/bounds/own-text.js';

/** What may be kept at the same time. */
export interface QuotaLimits {
  readonly messages: number;
  readonly bytes: number;
}

/** What is kept. */
interface Used {
  messages: number;
  bytes: number;
}

const NONE: Readonly<Used> = { messages: 0, bytes: 0 };

/** Counts the messages and bytes that are kept of each sender, or of each site, and limits them. */
export class Quota {
  readonly #used = new Map<string, Used>();

  constructor(readonly limits: QuotaLimits) {}

  /** Whether there is room for one more message of somebody. */
  hasRoom(who: string, bytes: number): boolean {
    const { messages, bytes: used } = this.#used.get(who) ?? NONE;
    return messages < this.limits.messages && used + bytes <= this.limits.bytes;
  }

  take(who: string, bytes: number): void {
    const used = this.#used.get(who);
    if (used === undefined) {
      this.#used.set(ownText(who), { messages: 1, bytes });
      return;
    }
    used.messages++;
    used.bytes += bytes;
  }

  release(who: string, bytes: number): void {
    const used = this.#used.get(who);
    if (used === undefined) return;
    used.messages--;
    used.bytes -= bytes;
    if (used.messages <= 0) this.#used.delete(who);
  }
}
