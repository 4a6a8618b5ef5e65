import type { SchedulerLike, Subscription } from 'rxjs';
import { SiteCounts } from '../../lib/bounds/site-counts.js';

/** How many polls may wait. */
export interface PollLimits {
  /** Long polls that wait, in all. Each holds a connection. */
  readonly polls: number;
  /** Long polls that wait from one IPv4 address or IPv6 /64. */
  readonly pollsPerHost: number;
}

/** A long poll that is to wait. */
export interface PollConfig {
  /** Who waits: a later poll of the same owner ends the one before. */
  readonly owner: string;
  /** Whom it is counted for. */
  readonly host: string;
  /** For how long, in milliseconds. */
  readonly waitMs: number;
  /** Called once, unless the caller has left: whether something has come. */
  readonly answer: (hasArrived: boolean) => void;
}

interface Poll {
  readonly host: string;
  readonly timer: Subscription;
  readonly answer: (hasArrived: boolean) => void;
}

/** The long polls that wait: at most one for each owner. */
export class Polls {
  readonly #parked = new Map<string, Poll>();
  readonly #perHost = new SiteCounts();

  constructor(
    readonly limits: PollLimits,
    readonly scheduler: SchedulerLike,
  ) {}

  has(owner: string): boolean {
    return this.#parked.has(owner);
  }

  /** Has a poll wait. Returns what to call when the caller leaves; `undefined` when there are too many. */
  park({ owner, host, waitMs, answer }: PollConfig): (() => void) | undefined {
    this.end(owner);
    if (this.#perHost.total >= this.limits.polls || this.#perHost.of(host) >= this.limits.pollsPerHost)
      return undefined;
    const timer = this.scheduler.schedule(() => {
      this.#end(owner, poll, false);
    }, waitMs);
    const poll: Poll = { host, timer, answer };
    this.#parked.set(owner, poll);
    this.#perHost.add(host);
    return () => {
      this.#remove(owner, poll);
    };
  }

  /** Something has come for an owner. */
  wake(owner: string): void {
    this.#end(owner, this.#parked.get(owner), true);
  }

  /** Answers a poll that waits, if there is one, with nothing. */
  end(owner: string): void {
    this.#end(owner, this.#parked.get(owner), false);
  }

  /** Ends all without an answer. */
  close(): void {
    for (const [owner, poll] of this.#parked) this.#remove(owner, poll);
  }

  #end(owner: string, poll: Poll | undefined, hasArrived: boolean): void {
    if (poll !== undefined && this.#remove(owner, poll)) poll.answer(hasArrived);
  }

  /** Returns whether it was still there. */
  #remove(owner: string, poll: Poll): boolean {
    if (this.#parked.get(owner) !== poll) return false;
    this.#parked.delete(owner);
    poll.timer.unsubscribe();
    this.#perHost.remove(poll.host);
    return true;
  }
}
