import { ByAge } from '../../lib/bounds/by-age.js';

/** A site that was refused something. */
export interface LimitedSite {
  /** As `siteOf` writes it. */
  readonly site: string;
  /** The server that refused it last, and why. */
  readonly server: string;
  readonly reason: string;
  /** How often it was refused anything. */
  readonly count: number;
}

/** Sites that are remembered in each half of the time: with more, the one that has been known for longest is forgotten. */
const MAX_SITES = 1_000;

/**
 * Remembers which sites were refused something: for a time at least, at most for twice as long.
 *
 * @example
 * const limited = new LimitedSites(300_000, Date.now);
 * limited.add('192.0.2.7', 'mailbox', 'too-often');
 * limited.most(10);
 */
export class LimitedSites {
  #newer = new ByAge<string, LimitedSite>();
  #older = new ByAge<string, LimitedSite>();
  #since: number;

  /**
   * @param forMs for how long, in milliseconds.
   * @param now the time, in milliseconds.
   */
  constructor(
    readonly forMs: number,
    readonly now: () => number,
  ) {
    this.#since = now();
  }

  add(site: string, server: string, reason: string): void {
    this.#fade();
    const count = (this.#newer.get(site)?.count ?? 0) + 1;
    this.#newer.set(site, { site, server, reason, count });
    this.#newer.keep(MAX_SITES);
  }

  /** Those that were refused most often. */
  most(count: number): readonly LimitedSite[] {
    this.#fade();
    const all = new Map(this.#older);
    for (const [site, latest] of this.#newer) {
      all.set(site, { ...latest, count: latest.count + (this.#older.get(site)?.count ?? 0) });
    }
    return [...all.values()].sort((one, other) => other.count - one.count).slice(0, count);
  }

  #fade(): void {
    const age = this.now() - this.#since;
    // The clock may be set back.
    if (age >= 0 && age < this.forMs) return;
    this.#older = age >= 0 && age < 2 * this.forMs ? this.#newer : new ByAge<string, LimitedSite>();
    this.#newer = new ByAge();
    this.#since = this.now();
  }
}
