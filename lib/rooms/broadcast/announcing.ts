import type { Random } from '../machine.js';
import type { Neighbour } from './neighbour.js';

/**
 * Announcements wait for each other so long, in milliseconds, at random. As long as nothing is missing they wait twice as long each time, and cost less.
 */
const ANNOUNCE_MS = { first: 250, most: 4_000 };
/** The shortest that they wait, as a share of the longest. */
const ANNOUNCE_LEAST = 0.2;

/** When what this node has is announced, and to whom. */
export class Announcing {
  readonly #random: Random;
  #wakeAt = Infinity;
  #longestMs = ANNOUNCE_MS.first;

  constructor(random: Random) {
    this.#random = random;
  }

  /** When something is to be announced; `Infinity`: there is nothing. */
  get wakeAt(): number {
    return this.#wakeAt;
  }

  /** There is something to announce. */
  later(now: number): void {
    if (this.#wakeAt !== Infinity) return;
    this.#wakeAt = now + this.#longestMs * (ANNOUNCE_LEAST + (1 - ANNOUNCE_LEAST) * this.#random());
  }

  /** The tree has changed: announcements are of use soon. */
  hasten(): void {
    this.#longestMs = ANNOUNCE_MS.first;
  }

  /** The neighbours to which is announced now what there is. */
  due(neighbours: Iterable<Neighbour>, now: number): readonly Neighbour[] {
    if (this.#wakeAt > now) return NONE;
    this.#wakeAt = Infinity;
    this.#longestMs = Math.min(ANNOUNCE_MS.most, 2 * this.#longestMs);
    const due: Neighbour[] = [];
    let isWaiting = false;
    for (const neighbour of neighbours) {
      if (neighbour.takesTurn()) due.push(neighbour);
      else isWaiting ||= neighbour.hasWaited;
    }
    if (isWaiting) this.later(now);
    return due;
  }
}

const NONE: readonly Neighbour[] = [];
