import type { QuotaLimits } from './quota.js';
import { Ranking } from './ranking.js';

/** What is kept in a place of which everybody may have a share. */
export interface Shared {
  /** Whose share it is. */
  readonly site: string;
  /** In bytes. */
  readonly size: number;
}

interface Share<T> {
  messages: number;
  bytes: number;
  readonly entries: Set<T>;
  /** In the order of arrival, with some that have left. */
  readonly arrivals: T[];
}

/**
 * A place of bounded size, such as one box, and who has how much of it. When it is full, whoever has least gets in for the sake
 * of whoever has most: a flood from a few sites fills it, and keeps no others out.
 */
export class Shares<T extends Shared> {
  readonly #shares = new Map<string, Share<T>>();
  /** Sites by messages and by bytes, from when the place was full for the first time: most boxes never are. */
  #rankings: { readonly messages: Ranking; readonly bytes: Ranking } | undefined;
  #messages = 0;
  #bytes = 0;

  constructor(readonly limits: QuotaLimits) {}

  /** Whether nothing is here. */
  get isEmpty(): boolean {
    return this.#messages === 0;
  }

  /** Whether something of this size, in bytes, fits in. */
  hasRoomFor(size: number): boolean {
    return this.#messages < this.limits.messages && this.#bytes + size <= this.limits.bytes;
  }

  /**
   * What gives way first to something that does not fit in: the newest of the site that has most. `undefined` when nothing does: only
   * a site that has less than another, even with what is to come, is made room for.
   */
  givesWayTo({ site, size }: Shared): T | undefined {
    const isCrowded = this.#messages >= this.limits.messages;
    const share = this.#shares.get(site);
    const own = isCrowded ? (share?.messages ?? 0) + 1 : (share?.bytes ?? 0) + size;
    const { messages, bytes } = this.#ranked();
    const { most } = isCrowded ? messages : bytes;
    if (most === undefined || own >= most.amount) return undefined;
    const greediest = this.#shares.get(most.who);
    while (greediest !== undefined) {
      const newest = greediest.arrivals.at(-1);
      if (newest === undefined || greediest.entries.has(newest)) return newest;
      greediest.arrivals.pop();
    }
    return undefined;
  }

  add(entry: T): void {
    const share = this.#shares.get(entry.site) ?? { messages: 0, bytes: 0, entries: new Set(), arrivals: [] };
    this.#shares.set(entry.site, share);
    share.entries.add(entry);
    share.arrivals.push(entry);
    this.#count(share, entry, 1);
  }

  /** Forgets what is here. */
  delete(entry: T): void {
    const share = this.#shares.get(entry.site);
    if (share?.entries.delete(entry) !== true) return;
    this.#count(share, entry, -1);
    if (share.messages === 0) this.#shares.delete(entry.site);
    else if (share.arrivals.length > 2 * share.messages + 16) {
      share.arrivals.splice(0, share.arrivals.length, ...share.entries);
    }
  }

  #ranked() {
    if (this.#rankings !== undefined) return this.#rankings;
    const rankings = { messages: new Ranking(), bytes: new Ranking() };
    for (const [site, { messages, bytes }] of this.#shares) {
      rankings.messages.set(site, messages);
      rankings.bytes.set(site, bytes);
    }
    this.#rankings = rankings;
    return rankings;
  }

  #count(share: Share<T>, { site, size }: T, by: 1 | -1): void {
    share.messages += by;
    share.bytes += by * size;
    this.#messages += by;
    this.#bytes += by * size;
    this.#rankings?.messages.set(site, share.messages);
    this.#rankings?.bytes.set(site, share.bytes);
  }
}
