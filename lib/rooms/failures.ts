import { ByAge } from '../bounds/by-age.js';

/** So many failures of one site are forgiven at once, … */
const FORGIVEN = 20;

/** … and one more after this time, in milliseconds. A guess at a secret that is forgiven is one of 1,440 a day. */
const ONE_MORE_MS = 60_000;

/** Sites that are remembered. */
const MAX_SITES = 1_000;

/** Counts how often peers have failed to enter, by their site: each failure may have been a guess at the secret. */
export class Failures {
  readonly #bySite = new ByAge<string, { count: number; at: number }>();

  constructor(readonly now: () => number) {}

  /** Whether a site has failed too often to be let try again now. */
  areTooMany(site: string): boolean {
    return this.#countOf(site) > FORGIVEN - 1;
  }

  /** A peer of a site has failed. */
  note(site: string): void {
    this.#bySite.add(site, { count: this.#countOf(site) + 1, at: this.now() });
    this.#bySite.keep(MAX_SITES);
  }

  #countOf(site: string): number {
    const { count, at } = this.#bySite.get(site) ?? { count: 0, at: 0 };
    return Math.max(0, count - (this.now() - at) / ONE_MORE_MS);
  }
}
