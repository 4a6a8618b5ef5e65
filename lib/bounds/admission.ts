/** How much there is room for. */
interface AdmissionConfig {
  /** Entries in all. */
  readonly most: number;
  /** Entries of one site. Default: as many as there is room for. */
  readonly mostOfSite?: number | undefined;
}

/**
 * The answer to a newcomer: whether it was admitted, and which entry was evicted for it. The evicted entry has left already; the
 * caller releases what it holds.
 */
export interface Admitted<T> {
  readonly isIn: boolean;
  readonly gaveWay?: T | undefined;
}

/** Why a newcomer is not admitted: its site has its most entries, or everything is full and no other site would have more then. */
export type NoRoom = 'site-full' | 'full';

/** An entry, as long as it is here: what has left is kept no longer. */
interface Seat<T> {
  entry: T | undefined;
}

/** What one site has. */
interface Share<T> {
  readonly site: string;
  readonly entries: Map<T, Seat<T>>;
  /** In the order of arrival. Some of those that have left may still be in it. */
  arrivals: Seat<T>[];
  /** Its place among the sites that have as many. */
  place: number;
}

/**
 * A room of bounded size that is shared by sites: open connections, or the entries of a table. When it is full, a newcomer from a
 * smaller site is admitted, and the newest entry of the largest site is evicted. So a flood from a few sites fills the room and
 * keeps nobody else out, and what was there before the flood stays. Each call takes constant time on average, however many sites
 * there are.
 *
 * @example
 * const pending = new Admission<Socket>({ most: 256, mostOfSite: 64 });
 * const { isIn, gaveWay } = pending.admit(siteOf(address), socket);
 * gaveWay?.destroy();
 * if (!isIn) socket.destroy();
 * socket.once('close', () => pending.leave(siteOf(address), socket));
 */
export class Admission<T> {
  readonly #shares = new Map<string, Share<T>>();
  /**
   * Sites by their number of entries, from when everything was full for the first time until nothing is left: most rooms never are full.
   * Among those with as many there is no order.
   */
  #sharesWith: Share<T>[][] | undefined;
  #size = 0;

  constructor(readonly config: AdmissionConfig) {}

  /** How many entries there are in all. */
  get size(): number {
    return this.#size;
  }

  /** How many entries a site has. */
  of(site: string): number {
    return this.#shares.get(site)?.entries.size ?? 0;
  }

  /** Whether a newcomer of a site would get in. */
  hasRoomFor(site: string): boolean {
    return this.refusalOf(site) === undefined;
  }

  /** Why a newcomer of a site would not get in; `undefined` when it would. */
  refusalOf(site: string): NoRoom | undefined {
    const { most, mostOfSite = most } = this.config;
    const own = this.of(site);
    if (own >= mostOfSite) return 'site-full';
    return this.#size < most || own + 1 < this.#most ? undefined : 'full';
  }

  /** Admits a newcomer if there is room, or if an entry can be evicted for it. */
  admit(site: string, entry: T): Admitted<T> {
    if (!this.hasRoomFor(site)) return { isIn: false };
    const gaveWay = this.#size < this.config.most ? undefined : this.givesWayTo(site);
    if (gaveWay !== undefined) this.leave(this.#greediest, gaveWay);
    this.add(site, entry);
    return { isIn: true, gaveWay };
  }

  /**
   * The entry to evict for a newcomer when everything is full: the newest entry of the largest site, if that is larger than the
   * newcomer's would then be.
   */
  givesWayTo(site: string): T | undefined {
    return this.of(site) + 1 < this.#most ? this.newestOf(this.#greediest) : undefined;
  }

  /** The newest entry of a site. */
  newestOf(site: string): T | undefined {
    const { arrivals } = this.#shares.get(site) ?? { arrivals: [] };
    while (arrivals.length > 0 && arrivals.at(-1)?.entry === undefined) arrivals.pop();
    return arrivals.at(-1)?.entry;
  }

  /** Takes an entry in, whether there is room or not. */
  add(site: string, entry: T): void {
    const share = this.#shares.get(site) ?? this.#shareOf(site);
    this.#takeOut(share);
    const seat = { entry };
    share.entries.set(entry, seat);
    share.arrivals.push(seat);
    this.#size++;
    this.#putIn(share);
  }

  /** An entry has left. Does nothing where it has left already; returns whether it had not. */
  leave(site: string, entry: T): boolean {
    const share = this.#shares.get(site);
    const seat = share?.entries.get(entry);
    if (share === undefined || seat === undefined) return false;
    this.#takeOut(share);
    share.entries.delete(entry);
    seat.entry = undefined;
    this.#size--;
    this.#putIn(share);
    if (this.#size === 0) this.#sharesWith = undefined;
    if (share.entries.size === 0) this.#shares.delete(site);
    else if (share.arrivals.length > 2 * share.entries.size + 16) {
      share.arrivals = [...share.entries.values()];
    }
    return true;
  }

  #shareOf(site: string): Share<T> {
    const share: Share<T> = { site, entries: new Map(), arrivals: [], place: 0 };
    this.#shares.set(site, share);
    return share;
  }

  /** The most that any site has. */
  get #most(): number {
    return Math.max(0, this.#ranked().length - 1);
  }

  /** A site that has most. */
  get #greediest(): string {
    return this.#ranked().at(-1)?.[0]?.site ?? '';
  }

  #ranked(): readonly Share<T>[][] {
    if (this.#sharesWith !== undefined) return this.#sharesWith;
    this.#sharesWith = [];
    for (const share of this.#shares.values()) this.#putIn(share);
    return this.#sharesWith;
  }

  /** The last of those with as many takes its place. A `Set` would keep a gap, and looking for its first would pass over all gaps. */
  #takeOut(share: Share<T>): void {
    const alike = this.#sharesWith?.[share.entries.size];
    const last = alike?.pop();
    if (alike === undefined || last === undefined || last === share) return;
    alike[share.place] = last;
    last.place = share.place;
  }

  #putIn(share: Share<T>): void {
    const ranked = this.#sharesWith;
    if (ranked === undefined) return;
    const { size } = share.entries;
    if (size > 0) share.place = (ranked[size] ??= []).push(share) - 1;
    while (ranked.length > 0 && (ranked.at(-1)?.length ?? 0) === 0) ranked.pop();
  }
}
