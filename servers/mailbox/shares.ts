import type { QuotaLimits } from './quota.js';
import { Ranking } from './ranking.js';

/** Something kept in places that sites share. */
interface Shared {
  /** Whose share it is. */
  readonly site: string;
  /** In bytes. */
  readonly size: number;
  /**
   * Whether it is here. Who adds and deletes it says so first: it may be in several places, and is in all of them or in none. Some that were
   * deleted are held for a while, and should not hold much themselves.
   */
  readonly isCounted: boolean;
}

/** What one site has here. */
interface Share<T> {
  entries: number;
  bytes: number;
  /** In the order of arrival. Entries that have left may still be in it. */
  arrivals: T[];
}

/** Sites by what they have. */
interface Ranked {
  readonly byEntries: Ranking;
  readonly byBytes: Ranking;
}

/**
 * A place of bounded size, such as one box, shared by sites. When it is full, a small site evicts entries of the largest one. So a
 * flood from a few sites fills it, but does not keep others out, and what was there before the flood stays.
 */
export class Shares<T extends Shared> {
  readonly #shares = new Map<string, Share<T>>();
  /** From when the place was full for the first time until nothing is left: most boxes never are. */
  #ranked: Ranked | undefined;
  #entries = 0;
  #bytes = 0;

  constructor(readonly limits: QuotaLimits) {}

  /** Whether something of this size, in bytes, fits in. */
  hasRoomFor(size: number): boolean {
    return this.#entries < this.limits.messages && this.#bytes + size <= this.limits.bytes;
  }

  /**
   * The first entry to evict for one that does not fit: the newest of the largest site. `undefined` when nothing is evicted,
   * because the newcomer's site would then be as large.
   */
  givesWayTo({ site, size }: Pick<Shared, 'site' | 'size'>): T | undefined {
    const { byEntries, byBytes } = (this.#ranked ??= this.#rank());
    const { entries = 0, bytes = 0 } = this.#shares.get(site) ?? {};
    const isCountFull = this.#entries >= this.limits.messages;
    const { most } = isCountFull ? byEntries : byBytes;
    const own = isCountFull ? entries + 1 : bytes + size;
    return most === undefined || own >= most.amount ? undefined : this.#newestOf(most.who);
  }

  add(entry: T): void {
    const share = this.#shares.get(entry.site) ?? this.#shareOf(entry.site);
    share.arrivals.push(entry);
    this.#count(entry.site, share, 1, entry.size);
  }

  /** Forgets what was added, once. */
  delete({ site, size }: T): void {
    const share = this.#shares.get(site);
    if (share === undefined) return;
    this.#count(site, share, -1, -size);
    if (share.entries === 0) this.#shares.delete(site);
    else if (share.arrivals.length > 2 * share.entries + 16) {
      // One that has left and has come back is in it twice: where it came back is its place.
      share.arrivals = [...new Set(share.arrivals.toReversed())].filter(({ isCounted }) => isCounted).reverse();
    }
    if (this.#entries === 0) this.#ranked = undefined;
  }

  #shareOf(site: string): Share<T> {
    const share: Share<T> = { entries: 0, bytes: 0, arrivals: [] };
    this.#shares.set(site, share);
    return share;
  }

  #newestOf(site: string): T | undefined {
    const { arrivals } = this.#shares.get(site) ?? { arrivals: [] };
    while (arrivals.at(-1)?.isCounted === false) arrivals.pop();
    return arrivals.at(-1);
  }

  #rank(): Ranked {
    const ranked = { byEntries: new Ranking(), byBytes: new Ranking() };
    for (const [site, { entries, bytes }] of this.#shares) {
      ranked.byEntries.set(site, entries);
      ranked.byBytes.set(site, bytes);
    }
    return ranked;
  }

  #count(site: string, share: Share<T>, entries: number, bytes: number): void {
    share.entries += entries;
    share.bytes += bytes;
    this.#entries += entries;
    this.#bytes += bytes;
    this.#ranked?.byEntries.set(site, share.entries);
    this.#ranked?.byBytes.set(site, share.bytes);
  }
}
