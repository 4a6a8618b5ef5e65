import type { SchedulerLike, Subscription } from 'rxjs';
import { Admission } from '../../lib/bounds/admission.js';

/** How many receivers may wait. */
export interface PollLimits {
  /** Receivers that wait, by a session or a long poll, in all. Each holds a connection. */
  readonly polls: number;
  /** Receivers that wait from one IPv4 address or IPv6 /48. */
  readonly pollsPerHost: number;
}

/** Why a receiver does not wait any longer: its owner waits elsewhere, others need the room, or the server is being stopped. */
export type WhyEnded = 'replaced' | 'too-many-polls' | 'closing';

/** A receiver that waits for messages. */
export interface Waiting {
  /** Who waits: a later one of the same owner ends the one before. */
  readonly owner: string;
  /** The site that it is counted for. */
  readonly host: string;
  /** Something has come for it. */
  arrived(): void;
  /** It has to go. */
  ended(why: WhyEnded): void;
  /** It waits no longer, whether it had to go or has left. */
  left(): void;
}

/** A long poll that is to wait. */
interface PollConfig extends Pick<Waiting, 'owner' | 'host'> {
  /** For how long, in milliseconds. */
  readonly waitMs: number;
  /** Called once, unless the caller has left: whether something has come. */
  readonly answer: (hasArrived: boolean) => void;
}

/**
 * The receivers that wait: at most one for each owner. Sites share the room. When it is full, the newest of the largest site has to
 * make room for a smaller site.
 */
export class Polls {
  readonly #waiting = new Map<string, Waiting>();
  readonly #room: Admission<Waiting>;

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
    return this.#waiting.size;
  }

  has(owner: string): boolean {
    return this.#waiting.has(owner);
  }

  /** Takes a receiver in, until it leaves or has to. Returns whether there is room. */
  stay(receiver: Waiting): boolean {
    const { owner, host } = receiver;
    this.end(owner);
    const { isIn, gaveWay } = this.#room.admit(host, receiver);
    if (!isIn) return false;
    if (gaveWay !== undefined) this.#end(gaveWay, 'too-many-polls');
    this.#waiting.set(owner, receiver);
    this.waits(owner, true);
    return true;
  }

  /**
   * Adds a long poll, which gets an empty answer when it has to go. Returns a function to call when the caller leaves, which returns
   * whether the poll was still waiting; `undefined` when there are too many.
   */
  park({ owner, host, waitMs, answer }: PollConfig): (() => boolean) | undefined {
    const poll = new Poll(owner, host, answer, this);
    if (!this.stay(poll)) return undefined;
    poll.start(waitMs);
    return () => this.leave(poll);
  }

  /** A receiver has left. Returns whether it was still waiting. */
  leave(receiver: Waiting): boolean {
    const { owner, host } = receiver;
    if (this.#waiting.get(owner) !== receiver) return false;
    this.#waiting.delete(owner);
    this.#room.leave(host, receiver);
    this.waits(owner, false);
    receiver.left();
    return true;
  }

  /** Something has come for an owner. */
  wake(owner: string): void {
    this.#waiting.get(owner)?.arrived();
  }

  /** The one that waits for an owner, if there is one, has to go: a later one has come. */
  end(owner: string): void {
    const receiver = this.#waiting.get(owner);
    if (receiver !== undefined) this.#end(receiver, 'replaced');
  }

  /** All have to go: the server is being stopped. */
  endAll(): void {
    for (const receiver of this.#waiting.values()) this.#end(receiver, 'closing');
  }

  /** Ends all without a word. */
  close(): void {
    for (const receiver of this.#waiting.values()) this.leave(receiver);
  }

  #end(receiver: Waiting, why: WhyEnded): void {
    if (this.leave(receiver)) receiver.ended(why);
  }
}

/** A long poll, which is answered once. */
class Poll implements Waiting {
  #timer: Subscription | undefined;

  constructor(
    readonly owner: string,
    readonly host: string,
    readonly answer: (hasArrived: boolean) => void,
    readonly polls: Polls,
  ) {}

  /** It waits for so many milliseconds. */
  start(waitMs: number): void {
    this.#timer = this.polls.scheduler.schedule(() => {
      if (this.polls.leave(this)) this.answer(false);
    }, waitMs);
  }

  arrived(): void {
    if (this.polls.leave(this)) this.answer(true);
  }

  ended(): void {
    this.answer(false);
  }

  left(): void {
    this.#timer?.unsubscribe();
  }
}
