import type { Gossip } from '../../../lib/rooms/gossip.js';
import type { Member } from '../../../lib/rooms/machine.js';
import type { Hostility } from './hostile.js';

/** A member of the simulated room. */
export class SimulatedNode {
  readonly links = new Map<string, SimulatedLink>();
  isAlive = true;
  /** Since when it is in the room, in milliseconds. */
  joinedAt = 0;
  /** When it is to be woken, as far as that has been arranged. */
  wakeAt = Infinity;
  /** What it does to the others, if it is hostile. */
  hostility: Hostility | undefined;
  /** Messages that the room has had delivered to it, since it was last asked. */
  delivered = 0;
  /** Neighbours, as it has told. */
  degree = 0;
  /** When it last lost one of them, and had had all that it looks for. */
  wholeAt = -Infinity;

  constructor(
    readonly member: Member,
    readonly gossip: Gossip,
    /** How long a packet is on the way between it and the internet, in milliseconds. */
    readonly accessMs: number,
  ) {}
}

/** A channel between two nodes: what is sent comes in order. */
export class SimulatedLink {
  isOpen = true;
  /** When the last that is on its way to each of them comes. */
  #toFirstAt = 0;
  #toSecondAt = 0;

  constructor(
    readonly first: SimulatedNode,
    readonly second: SimulatedNode,
  ) {}

  other(node: SimulatedNode): SimulatedNode {
    return node === this.first ? this.second : this.first;
  }

  /** When something that is sent now comes, at the earliest at this time. */
  arrivalAt(to: SimulatedNode, at: number): number {
    if (to === this.first) return (this.#toFirstAt = Math.max(this.#toFirstAt, at));
    return (this.#toSecondAt = Math.max(this.#toSecondAt, at));
  }
}
