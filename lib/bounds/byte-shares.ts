/** How many bytes there is room for. */
interface ByteSharesConfig {
  /** Of one holder. */
  readonly mostOfOne: number;
  /** Of one site. */
  readonly mostOfSite: number;
  /** In all. */
  readonly most: number;
}

/** Somebody who holds bytes and can release them. */
export interface ByteHolder {
  /** The site that its bytes are counted by. */
  readonly site: string;
  /** Called when its bytes must be released to make room. They are no longer counted. */
  readonly giveWay: () => void;
}

interface Share {
  bytes: number;
  readonly holders: Map<ByteHolder, number>;
  /** How many digits its bytes have, in binary. */
  size: number;
  /** Its place among those of the same size. */
  place: number;
}

/** The digits of the largest number of bytes that is counted exactly. */
const MOST_DIGITS = 53;

/** So many of those sites are compared that have most; the others of them have less than twice as much. */
const MOST_COMPARED = 64;

/**
 * A limit on bytes, shared by sites. When one site has too many, its largest holder is evicted. When there are too many in total,
 * the largest holder of the largest site is evicted (of one of the largest, where many are alike). So one site cannot use up the room of
 * the others. Each step takes as long as one site has holders, however many sites there are.
 *
 * @example
 * const shares = new ByteShares({ mostOfOne: 2 ** 20, mostOfSite: 2 ** 24, most: 2 ** 28 });
 * const holder = { site: siteOf(address), giveWay: () => socket.destroy() };
 * shares.set(holder, socket.writableLength);
 */
export class ByteShares {
  readonly #shares = new Map<string, Share>();
  /** The sites by the {@link Share.size} of what they have. */
  readonly #bySize = Array.from({ length: MOST_DIGITS + 1 }, () => new Array<Share>());
  #bytes = 0;

  constructor(readonly config: ByteSharesConfig) {}

  /** How many bytes there are in all. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Sets how many bytes a holder has. That may evict this holder or others. */
  set(holder: ByteHolder, bytes: number): void {
    const { mostOfOne, mostOfSite, most } = this.config;
    const share = this.#count(holder, bytes);
    if (bytes > mostOfOne) this.#evict(holder);
    while (share.bytes > mostOfSite) this.#evictLargest(share);
    while (this.#bytes > most) this.#evictLargest(this.#greediest());
  }

  #count(holder: ByteHolder, bytes: number): Share {
    const share = this.#shares.get(holder.site) ?? {
      bytes: 0,
      holders: new Map<ByteHolder, number>(),
      size: 0,
      place: 0,
    };
    const change = bytes - (share.holders.get(holder) ?? 0);
    share.bytes += change;
    this.#bytes += change;
    if (bytes > 0) share.holders.set(holder, bytes);
    else share.holders.delete(holder);
    if (share.holders.size > 0) this.#shares.set(holder.site, share);
    else this.#shares.delete(holder.site);
    this.#sort(share);
    return share;
  }

  #sort(share: Share): void {
    const size = share.bytes.toString(2).length;
    if (size === share.size && share.bytes > 0) return;
    if (share.size > 0) this.#takeOut(share);
    share.size = share.bytes > 0 ? size : 0;
    const sameSize = this.#bySize[size];
    if (share.size > 0 && sameSize !== undefined) share.place = sameSize.push(share) - 1;
  }

  /** The last takes its place. A `Set` would keep a gap, and each look at its beginning would go over all gaps there. */
  #takeOut(share: Share): void {
    const sameSize = this.#bySize[share.size] ?? [];
    const last = sameSize.pop();
    if (last === undefined || last === share) return;
    sameSize[share.place] = last;
    last.place = share.place;
  }

  #evict(holder: ByteHolder): void {
    this.#count(holder, 0);
    holder.giveWay();
  }

  #evictLargest(share: Share): void {
    const [first] = share.holders;
    if (first === undefined) return;
    let largest = first;
    for (const entry of share.holders) if (entry[1] > largest[1]) largest = entry;
    this.#evict(largest[0]);
  }

  #greediest(): Share {
    let greediest: Share = { bytes: 0, holders: new Map(), size: 0, place: 0 };
    let left = MOST_COMPARED;
    for (const share of this.#bySize.findLast((shares) => shares.length > 0) ?? []) {
      if (share.bytes > greediest.bytes) greediest = share;
      if (--left === 0) break;
    }
    return greediest;
  }
}
