import { ownText } from '../../lib/bounds/own-text.js';

/** What may be kept at the same time. */
export interface QuotaLimits {
  readonly messages: number;
  readonly bytes: number;
}

/** What is kept of somebody. */
export interface Used {
  readonly who: string;
  messages: number;
  bytes: number;
}

/** Counts the messages and bytes that are kept of each sender, or of each site, and limits them. */
export class Quota {
  readonly #used = new Map<string, Used>();

  constructor(readonly limits: QuotaLimits) {}

  /** What is kept of somebody, to be used at once: where it is nothing, it is not remembered before {@link take}. */
  of(who: string): Used {
    return this.#used.get(who) ?? { who: ownText(who), messages: 0, bytes: 0 };
  }

  /** Whether there is room for one more message. */
  hasRoom({ messages, bytes: used }: Readonly<Used>, bytes: number): boolean {
    return messages < this.limits.messages && used + bytes <= this.limits.bytes;
  }

  take(used: Used, bytes: number): void {
    if (used.messages === 0) this.#used.set(used.who, used);
    used.messages++;
    used.bytes += bytes;
  }

  release(used: Used, bytes: number): void {
    used.messages--;
    used.bytes -= bytes;
    if (used.messages === 0) this.#used.delete(used.who);
  }
}
