import { Queue } from './queue.js';

/**
 * A queue of bounded length that is shared by sites, and within a site by senders. What waits is served by turns: one entry of
 * each site, and of a site one entry of each of its senders. When the queue is full, the newest entry of the sender that has
 * most, of the site that has most, gives way. So a flood waits behind itself, and senders of few entries are served soon.
 *
 * Serving takes constant time, and so does adding while there is room; when there is none, adding looks at each site and at each sender
 * of one.
 *
 * @example
 * const queue = new FairQueue<Buffer>(512);
 * const gaveWay = queue.add(siteOf(address), peerId, bytes); // may be `bytes`
 * const next = queue.next();
 */
export class FairQueue<T> {
  /** Sites in the order in which they are served, each with its senders in theirs. */
  readonly #sites = new Map<string, Site<T>>();
  #size = 0;

  /** @param most entries at once. */
  constructor(readonly most: number) {}

  /** How many entries wait. */
  get size(): number {
    return this.#size;
  }

  /** Adds an entry. Returns what gave way, which may be that entry; `undefined` while there is room. */
  add(siteName: string, sender: string, entry: T): T | undefined {
    const site = this.#sites.get(siteName) ?? { size: 0, senders: new Map<string, Queue<T>>() };
    this.#sites.set(siteName, site);
    const entries = site.senders.get(sender) ?? new Queue<T>();
    site.senders.set(sender, entries);
    entries.push(entry);
    site.size++;
    this.#size++;
    return this.#size > this.most ? this.#giveWay() : undefined;
  }

  /** Takes out the entry whose turn it is. */
  next(): T | undefined {
    const [[name, site] = []] = this.#sites;
    if (name === undefined || site === undefined) return undefined;
    const [[sender, entries] = []] = site.senders;
    const entry = entries?.take();
    // To the end of their rows.
    this.#sites.delete(name);
    this.#sites.set(name, site);
    if (sender !== undefined && entries !== undefined) {
      site.senders.delete(sender);
      site.senders.set(sender, entries);
      this.#left(name, site, sender, entries);
    }
    return entry;
  }

  #giveWay(): T | undefined {
    const [name, site] = greediestOf(this.#sites, ({ size }) => size);
    if (site === undefined) return undefined;
    const [sender, entries] = greediestOf(site.senders, ({ length }) => length);
    const entry = entries?.takeNewest();
    if (entries !== undefined) this.#left(name, site, sender, entries);
    return entry;
  }

  /** An entry has left. */
  #left(name: string, site: Site<T>, sender: string, entries: Queue<T>): void {
    this.#size--;
    site.size--;
    if (entries.length === 0) site.senders.delete(sender);
    if (site.size === 0) this.#sites.delete(name);
  }
}

interface Site<T> {
  size: number;
  readonly senders: Map<string, Queue<T>>;
}

/** The largest entry of a map; among equally large ones, the last. */
function greediestOf<T>(all: ReadonlyMap<string, T>, sizeOf: (one: T) => number): readonly [string, T | undefined] {
  let greediest: readonly [string, T | undefined] = ['', undefined];
  let most = 0;
  for (const [name, one] of all) {
    const size = sizeOf(one);
    if (size < most) continue;
    most = size;
    greediest = [name, one];
  }
  return greediest;
}
