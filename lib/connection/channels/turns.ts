import { Queue } from '../../bounds/queue.js';
import { PRIORITIES, type Priority } from './priority.js';

/** Frames of each priority in one round, in the order of {@link PRIORITIES}. */
const WEIGHTS: readonly number[] = [16, 4, 1];

/** What takes turns: a channel that has data to send. */
export interface TurnTaker {
  readonly priority: Priority;
}

/**
 * Decides which channel sends the next frame, by weighted round robin: in each round `urgent` channels have 16 turns, `normal` ones
 * four and `bulk` ones one; channels of the same priority alternate. Each call takes constant time.
 *
 * @example
 * const turns = new Turns<{ readonly priority: Priority; readonly name: string }>();
 * turns.add({ priority: 'bulk', name: 'a file' });
 * turns.add({ priority: 'urgent', name: 'a key' });
 * turns.next(); // { priority: 'urgent', name: 'a key' }
 */
export class Turns<T extends TurnTaker> {
  /** By priority; only where a channel has waited. */
  readonly #waiting: (Queue<T> | undefined)[] = [undefined, undefined, undefined];
  /** How many turns each priority has left in this round. */
  #left = WEIGHTS;
  #length = 0;

  /** How many wait for their turn. */
  get length(): number {
    return this.#length;
  }

  /** Queues a channel for a turn, after all others of its priority. */
  add(taker: T): void {
    (this.#waiting[PRIORITIES.indexOf(taker.priority)] ??= new Queue()).push(taker);
    this.#length++;
  }

  /** Takes the channel whose turn it is; `undefined` when none waits. */
  next(): T | undefined {
    if (this.#length === 0) return undefined;
    for (;;) {
      for (let i = 0; i < WEIGHTS.length; i++) {
        const left = this.#left[i] ?? 0;
        const taker = left === 0 ? undefined : this.#waiting[i]?.take();
        if (taker === undefined) continue;
        // Where it is alone, there is nobody to take turns with.
        if (this.#length > 1) this.#left = this.#left.with(i, left - 1);
        this.#length--;
        return taker;
      }
      // No channel that waits has a turn left: a new round begins.
      this.#left = WEIGHTS;
    }
  }
}
