import { Queue } from '../../bounds/queue.js';
import { PRIORITIES, type Priority } from './priority.js';

/** Frames of each priority in one round. */
const WEIGHTS: Readonly<Record<Priority, number>> = { urgent: 16, normal: 4, bulk: 1 };

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
  readonly #classes = PRIORITIES.map((priority) => ({
    waiting: new Queue<T>(),
    weight: WEIGHTS[priority],
    left: WEIGHTS[priority],
  }));
  #length = 0;

  /** How many wait for their turn. */
  get length(): number {
    return this.#length;
  }

  /** Queues a channel for a turn, after all others of its priority. */
  add(taker: T): void {
    this.#classes[PRIORITIES.indexOf(taker.priority)]?.waiting.push(taker);
    this.#length++;
  }

  /** Takes the channel whose turn it is; `undefined` when none waits. */
  next(): T | undefined {
    if (this.#length === 0) return undefined;
    for (;;) {
      for (const each of this.#classes) {
        if (each.left === 0) continue;
        const taker = each.waiting.take();
        if (taker === undefined) continue;
        each.left--;
        this.#length--;
        return taker;
      }
      // No channel that waits has a turn left: a new round begins.
      for (const each of this.#classes) each.left = each.weight;
    }
  }
}
