import { Sampled } from '../../store/sampled.js';

/** A node of a network. */
export interface Neighbour {
  readonly id: string;
  readonly network: string;
  /** When it was last heard of, in milliseconds. */
  readonly alive: number;
}

/**
 * The nodes of each network that have been heard of not long ago, and samples of them. A sample takes time proportional to its
 * size; each silent node is removed when it is first met.
 *
 * @example
 * const neighbours = new Neighbours<Neighbour>(Math.random);
 * neighbours.add(node);
 * neighbours.sample('default', 20, Date.now() - 600_000);
 */
export class Neighbours<T extends Neighbour> {
  readonly #networks = new Map<string, Sampled<T>>();

  /** @param random a number from 0 up to but not including 1. */
  constructor(readonly random: () => number) {}

  /** A node has been heard of. */
  add(node: T): void {
    const network = this.#networks.get(node.network) ?? new Sampled(this.random);
    this.#networks.set(node.network, network.add(node));
  }

  /** A node is forgotten. */
  delete(node: T): void {
    const network = this.#networks.get(node.network);
    network?.delete(node);
    if (network?.size === 0) this.#networks.delete(node.network);
  }

  /** At most so many nodes of a network, chosen at random, that have been heard of since then. Others leave. */
  sample(network: string, most: number, since: number): readonly T[] {
    const chosen: T[] = [];
    if (most <= 0) return chosen;
    for (const node of this.#networks.get(network)?.inRandomOrder() ?? []) {
      if (node.alive > since) chosen.push(node);
      else this.delete(node);
      if (chosen.length >= most) break;
    }
    return chosen;
  }
}
