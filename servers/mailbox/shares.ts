import { Admission } from '../../lib/bounds/admission.js';
import type { QuotaLimits } from './quota.js';
import { Ranking } from './ranking.js';

/** Something kept in a place that sites share. */
interface Shared {
  /** Whose share it is. */
  readonly site: string;
  /** In bytes. */
  readonly size: number;
}

/** What one site has here. */
interface Amount {
  entries: number;
  bytes: number;
}

/**
 * A place of bounded size, such as one box, shared by sites: an {@link Admission} that counts bytes, too. When it is full, a
 * small site evicts entries of the largest one. So a flood from a few sites fills it, but does not keep others out.
 */
export class Shares<T extends Shared> {
  readonly #entries: Admission<T>;
  readonly #amounts = new Map<string, Amount>();
  /** Sites by bytes, from when the place was full for the first time: most boxes never are. */
  #byBytes: Ranking | undefined;
  #bytes = 0;

  constructor(readonly limits: QuotaLimits) {
    this.#entries = new Admission({ most: limits.messages });
  }

  /** Whether nothing is here. */
  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** Whether something of this size, in bytes, fits in. */
  hasRoomFor(size: number): boolean {
    return this.#entries.size < this.limits.messages && this.#bytes + size <= this.limits.bytes;
  }

  /**
   * The first entry to evict for one that does not fit: the newest of the largest site. `undefined` when nothing is evicted,
   * because the newcomer's site would then be as large.
   */
  givesWayTo({ site, size }: Shared): T | undefined {
    if (this.#entries.size >= this.limits.messages) return this.#entries.givesWayTo(site);
    const { most } = this.#ranked();
    const own = (this.#amounts.get(site)?.bytes ?? 0) + size;
    return most === undefined || own >= most.amount ? undefined : this.#entries.newestOf(most.who);
  }

  add(entry: T): void {
    this.#entries.add(entry.site, entry);
    const amount = this.#amounts.get(entry.site) ?? this.#amountOf(entry.site);
    amount.entries++;
    this.#count(entry.site, amount, entry.size);
  }

  /** Forgets what is here. */
  delete(entry: T): void {
    const amount = this.#amounts.get(entry.site);
    if (amount === undefined || !this.#entries.leave(entry.site, entry)) return;
    amount.entries--;
    this.#count(entry.site, amount, -entry.size);
    if (amount.entries === 0) this.#amounts.delete(entry.site);
  }

  #amountOf(site: string): Amount {
    const amount = { entries: 0, bytes: 0 };
    this.#amounts.set(site, amount);
    return amount;
  }

  #ranked(): Ranking {
    if (this.#byBytes !== undefined) return this.#byBytes;
    this.#byBytes = new Ranking();
    for (const [site, { bytes }] of this.#amounts) this.#byBytes.set(site, bytes);
    return this.#byBytes;
  }

  #count(site: string, amount: Amount, bytes: number): void {
    amount.bytes += bytes;
    this.#bytes += bytes;
    this.#byBytes?.set(site, amount.bytes);
  }
}
