/** How one message has spread. */
export class Spread {
  /** How often it was received in full. */
  copies = 0;
  /** Those who were there when it was said, and got it. */
  reached = 0;
  /** Hops of the last of them. */
  lastHop = 0;
  /** How long it took until the last had it, in milliseconds. */
  lastMs = 0;
  /** How many got it after so many hops. */
  readonly byHops: number[] = [];

  constructor(
    readonly id: string,
    readonly at: number,
    /** How many were there when it was said. */
    readonly audience: number,
  ) {}

  /** The share of those who were there that it has reached, from 0 to 1. */
  get coverage(): number {
    return this.reached / this.audience;
  }

  /** Copies for each who got it. */
  get copiesANode(): number {
    return this.copies / Math.max(1, this.reached);
  }

  copied(): void {
    this.copies++;
  }

  delivered(joinedAt: number, hops: number, now: number): void {
    if (joinedAt > this.at) return;
    this.reached++;
    this.lastHop = Math.max(this.lastHop, hops);
    this.lastMs = now - this.at;
    this.byHops[hops] = (this.byHops[hops] ?? 0) + 1;
  }
}
