import type { SchedulerLike, Subscription } from 'rxjs';
import { Queue } from '../bounds/queue.js';

/** Sends heartbeats. */
export interface Beating {
  /** It is time for one. */
  beat(): void;
}

/** The heartbeats of one that has them. */
export interface Heartbeat {
  /** `undefined` once it is over. */
  beating: Beating | undefined;
  /** When the next one is due, in milliseconds. */
  at: number;
}

/**
 * The heartbeats of many connections, each in its own time, by one timer: they are all as far apart, so that the one whose turn it is has
 * waited longest. A timer for each would take half a kilobyte.
 */
export class Heartbeats {
  readonly #scheduler: SchedulerLike;
  readonly #ms: number;
  #entries = new Queue<Heartbeat>();
  /** How many are not over. */
  #size = 0;
  #timer: Subscription | undefined;

  /** @param ms how far they are apart, in milliseconds. */
  constructor(scheduler: SchedulerLike, ms: number) {
    this.#scheduler = scheduler;
    this.#ms = ms;
  }

  /** Has one send heartbeats, the first after a whole interval. {@link end} ends that. */
  add(beating: Beating): Heartbeat {
    const entry: Heartbeat = { beating, at: this.#scheduler.now() + this.#ms };
    this.#entries.push(entry);
    this.#size++;
    this.#timer ??= this.#wait(this.#ms);
    return entry;
  }

  /** Ends heartbeats. */
  end(entry: Heartbeat): void {
    if (entry.beating === undefined) return;
    entry.beating = undefined;
    this.#size--;
    if (this.#size > 0) return;
    this.#timer?.unsubscribe();
    this.#timer = undefined;
    this.#entries = new Queue();
  }

  #wait(ms: number): Subscription {
    return this.#scheduler.schedule(() => {
      this.#timer = undefined;
      this.#beat();
      const { next } = this.#entries;
      if (this.#size > 0 && next !== undefined)
        this.#timer ??= this.#wait(Math.max(1, next.at - this.#scheduler.now()));
    }, ms);
  }

  #beat(): void {
    const now = this.#scheduler.now();
    // A timer may fire a little early by the clock.
    for (let next = this.#entries.next; next !== undefined && next.at < now + 1; next = this.#entries.next) {
      this.#entries.take();
      if (next.beating === undefined) continue;
      next.at = now + this.#ms;
      this.#entries.push(next);
      next.beating.beat();
    }
  }
}
