/** What may be kept at the same time. */
export interface QuotaLimits {
  readonly messages: number;
  readonly bytes: number;
}

/** Counts the messages and bytes that are kept for each receiver, or from each sender, and limits them. */
export class Quota {
  readonly #used = new Map<string, { messages: number; bytes: number }>();

  constructor(readonly limits: QuotaLimits) {}

  /** Whether there is room for one more message of somebody. */
  hasRoom(who: string, bytes: number): boolean {
    const used = this.#used.get(who) ?? { messages: 0, bytes: 0 };
    return used.messages < this.limits.messages && used.bytes + bytes <= this.limits.bytes;
  }

  take(who: string, bytes: number): void {
    const used = this.#used.get(who) ?? { messages: 0, bytes: 0 };
    this.#used.set(who, { messages: used.messages + 1, bytes: used.bytes + bytes });
  }

  release(who: string, bytes: number): void {
    const used = this.#used.get(who);
    if (used === undefined || used.messages <= 1) this.#used.delete(who);
    else this.#used.set(who, { messages: used.messages - 1, bytes: used.bytes - bytes });
  }
}
