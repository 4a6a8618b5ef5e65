import { Subscription, type SchedulerLike } from 'rxjs';
import { Admission } from '../../lib/bounds/admission.js';

/** How many polls may wait. */
export interface PollLimits {
  /** Long polls that wait, in all. Each holds a connection. */
  readonly polls: number;
  /** Long polls that wait from one IPv4 address or IPv6 /48. */
  readonly pollsPerHost: number;
}

/** A long poll that is to wait. */
interface PollConfig {
  /** Who waits: a later poll of the same owner ends the one before. */
  readonly owner: string;
  /** The site that it is counted for. */
  readonly host: string;
  /** For how long, in milliseconds. */
  readonly waitMs: number;
  /** Called once, unless the caller has left: whether something has come. */
  readonly answer: (hasArrived: boolean) => void;
}

interface Poll {
  readonly owner: string;
  readonly host: string;
  readonly timer: Subscription;
  readonly answer: (hasArrived: boolean) => void;
}

/**
 * The long polls that wait: at most one for each owner. Sites share the room. When it is full, the newest poll of the largest
 * site gets an empty answer to make room for a smaller site.
 */
export class Polls {
  readonly #parked = new Map<string, Poll>();
  readonly #room: Admission<Poll>;

  /** @param waits is told when an owner begins to wait here, and when it does no longer. */
  constructor(
    limits: PollLimits,
    readonly scheduler: SchedulerLike,
    readonly waits: (owner: string, isWaiting: boolean) => void,
  ) {
    this.#room = new Admission({ most: limits.polls, mostOfSite: limits.pollsPerHost });
  }

  /** How many wait. */
  get size(): number {
    return this.#parked.size;
  }

  has(owner: string): boolean {
    return this.#parked.has(owner);
  }

  /**
   * Adds a poll. Returns a function to call when the caller leaves, which returns whether the poll was still waiting; `undefined`
   * when there are too many polls.
   */
  park({ owner, host, waitMs, answer }: PollConfig): (() => boolean) | undefined {
    this.end(owner);
    const poll: Poll = { owner, host, timer: new Subscription(), answer };
    const { isIn, gaveWay } = this.#room.admit(host, poll);
    if (!isIn) return undefined;
    if (gaveWay !== undefined) this.#end(gaveWay.owner, gaveWay, false);
    this.#parked.set(owner, poll);
    this.waits(owner, true);
    poll.timer.add(
      this.scheduler.schedule(() => {
        this.#end(owner, poll, false);
      }, waitMs),
    );
    return () => this.#remove(owner, poll);
  }

  /** Something has come for an owner. */
  wake(owner: string): void {
    this.#end(owner, this.#parked.get(owner), true);
  }

  /** Answers a poll that waits, if there is one, with nothing. */
  end(owner: string): void {
    this.#end(owner, this.#parked.get(owner), false);
  }

  /** Answers all with nothing. */
  endAll(): void {
    for (const owner of this.#parked.keys()) this.end(owner);
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
    this.#room.leave(poll.host, poll);
    this.waits(owner, false);
    return true;
  }
}
