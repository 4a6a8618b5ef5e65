/** A node of a network. */
export interface Neighbour {
  readonly id: string;
  readonly network: string;
  /** When it was last heard of, in milliseconds. */
  readonly alive: number;
}

/**
 * The nodes of each network that have been heard of not long ago, and samples of them. A question costs no more than what it
 * returns, and each node that has fallen silent is found so once.
 *
 * @example
 * const neighbours = new Neighbours<Neighbour>(Math.random);
 * neighbours.add(node);
 * neighbours.sample('default', 20, Date.now() - 600_000);
 */
export class Neighbours<T extends Neighbour> {
  readonly #networks = new Map<string, T[]>();
  /** Where in the list of its network each node stands. */
  readonly #positions = new Map<T, number>();

  /** @param random a number from 0 up to but not including 1. */
  constructor(readonly random: () => number) {}

  /** A node has been heard of. */
  add(node: T): void {
    if (this.#positions.has(node)) return;
    const network = this.#networks.get(node.network) ?? [];
    this.#networks.set(node.network, network);
    this.#positions.set(node, network.push(node) - 1);
  }

  /** A node is forgotten. */
  delete(node: T): void {
    const network = this.#networks.get(node.network);
    const position = this.#positions.get(node);
    if (network === undefined || position === undefined) return;
    this.#positions.delete(node);
    // The last takes its place, so that there is no gap.
    const last = network.pop();
    if (last !== undefined && last !== node) this.#put(network, last, position);
    if (network.length === 0) this.#networks.delete(node.network);
  }

  /** At most so many nodes of a network, chosen at random, that have been heard of since then. Others leave. */
  sample(network: string, most: number, since: number): readonly T[] {
    const nodes = this.#networks.get(network) ?? [];
    const chosen: T[] = [];
    // Fisher–Yates, as far as it is needed, in place: the order of the nodes means nothing.
    for (let left = nodes.length; left > 0 && chosen.length < most; left--) {
      const position = Math.floor(this.random() * left);
      const node = nodes[position];
      const last = nodes[left - 1];
      if (node === undefined || last === undefined) break;
      this.#put(nodes, last, position);
      this.#put(nodes, node, left - 1);
      if (node.alive > since) chosen.push(node);
      else this.delete(node);
    }
    return chosen;
  }

  #put(network: T[], node: T, position: number): void {
    network[position] = node;
    this.#positions.set(node, position);
  }
}
