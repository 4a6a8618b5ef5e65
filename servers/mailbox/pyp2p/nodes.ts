import { Admission } from '../../../lib/bounds/admission.js';
import type { MessageStore } from '../store.js';
import type { Pyp2pLimits } from './limits.js';
import { Neighbours } from './neighbours.js';
import { formatNode, isPasswordOf, parseNode, type Node } from './node.js';

/** What {@link Nodes} needs. */
interface NodesConfig {
  readonly store: MessageStore;
  readonly limits: Pyp2pLimits;
  /** The time of day, in milliseconds since the epoch. */
  readonly now: () => number;
  /** A number from 0 up to 1. */
  readonly random: () => number;
}

/** Keys of nodes in the store begin with it. */
const PREFIX = 'pyp2p ';

/** The longest password, in characters. */
export const MAX_PASSWORD = 256;

/** As PyP2P's. */
const ALIVE_MS = 600_000;
const MUTEX_MS = 600_000;

/** A node that has not been heard of for this long is forgotten. */
const FORGET_MS = 24 * 3_600_000;

/** The nodes of PyP2P's that have registered, which a store keeps, and which of each network has its mutex. */
export class Nodes {
  readonly #nodes = new Map<string, Node>();
  readonly #room: Admission<Node>;
  readonly #neighbours: Neighbours<Node>;
  /** Which node, of those that are known, has the mutex of a network, and until when. */
  readonly #mutexes = new Map<string, { readonly id: string; readonly until: number }>();

  constructor(readonly config: NodesConfig) {
    const { pyp2pNodes, pyp2pNodesPerHost } = config.limits;
    this.#room = new Admission({ most: pyp2pNodes, mostOfSite: pyp2pNodesPerHost });
    this.#neighbours = new Neighbours(config.random);
  }

  /** Reads who has registered: PyP2P's nodes do so but once. */
  async load(): Promise<void> {
    const { store } = this.config;
    const nodes: Node[] = [];
    for await (const [key, value] of store.entries()) {
      const node = key.startsWith(PREFIX) ? parseNode(key.slice(PREFIX.length), value) : undefined;
      if (node !== undefined) nodes.push({ ...node, alive: this.config.now() });
    }
    const gone = nodes.sort((a, b) => a.since - b.since).flatMap((node) => this.#admit(node) ?? [node]);
    store.holds({ prefix: PREFIX, entries: () => this.#stored() });
    await store.delete(gone.map(keyOf));
  }

  /** Forgets who has not been heard of. */
  async sweep(): Promise<void> {
    const now = this.config.now();
    const gone = [...this.#nodes.values()].filter(({ alive }) => alive + FORGET_MS <= now);
    for (const node of gone) this.#forget(node);
    await this.config.store.delete(gone.map(keyOf));
    for (const [network, { until }] of this.#mutexes) if (until <= now) this.#mutexes.delete(network);
  }

  has(id: string): boolean {
    return this.#nodes.has(id);
  }

  /** The node, when the password is its own. */
  known(id: string, password: string): Node | undefined {
    const node = this.#nodes.get(id);
    if (node === undefined || password.length > MAX_PASSWORD) return undefined;
    return isPasswordOf(node, password) ? node : undefined;
  }

  /** Adds a node and stores it. Returns whether that worked: there may be no room, or the store may fail. */
  async register(node: Node): Promise<boolean> {
    const gone = this.#admit(node);
    if (gone === undefined) return false;
    try {
      await this.config.store.put(keyOf(node), formatNode(node), gone.map(keyOf));
      return true;
    } catch {
      this.#forget(node);
      // Restores the evicted nodes.
      for (const other of gone) if (!this.#nodes.has(other.id)) this.#admit(other);
      return false;
    }
  }

  /** A node has been heard of. */
  heard(node: Node): void {
    node.alive = this.config.now();
    this.#neighbours.add(node);
  }

  /** At most so many nodes of a network, chosen at random, that have been heard of not long ago. */
  sample(network: string, most: number): readonly Node[] {
    return this.#neighbours.sample(network, most, this.config.now() - ALIVE_MS);
  }

  /** Whether a node has the mutex of its network. It gets the mutex if it asks for it while no other node has it. */
  hasMutex({ id, network }: Node, isWanted: boolean): boolean {
    const now = this.config.now();
    const mutex = this.#mutexes.get(network);
    const isFree = mutex === undefined || mutex.until <= now;
    if (isWanted && (isFree || mutex.id === id)) this.#mutexes.set(network, { id, until: now + MUTEX_MS });
    return this.#mutexes.get(network)?.id === id;
  }

  /** Adds a node if there is room, or by evicting others. Returns the evicted nodes; `undefined` when it was refused. */
  #admit(node: Node): readonly Node[] | undefined {
    const { isIn, gaveWay } = this.#room.admit(node.host, node);
    if (!isIn) return undefined;
    if (gaveWay !== undefined) this.#forget(gaveWay);
    this.#nodes.set(node.id, node);
    this.#neighbours.add(node);
    return gaveWay === undefined ? [] : [gaveWay];
  }

  #forget(node: Node): void {
    this.#room.leave(node.host, node);
    this.#neighbours.delete(node);
    if (this.#nodes.get(node.id) === node) this.#nodes.delete(node.id);
    if (this.#mutexes.get(node.network)?.id === node.id) this.#mutexes.delete(node.network);
  }

  *#stored(): Iterable<readonly [key: string, value: string]> {
    for (const node of this.#nodes.values()) yield [keyOf(node), formatNode(node)];
  }
}

function keyOf({ id }: Node): string {
  return PREFIX + id;
}
