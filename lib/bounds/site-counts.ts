/** Counts entries for each site and in total. Sites without entries take no memory. */
export class SiteCounts {
  readonly #counts = new Map<string, number>();
  #total = 0;

  /** How many there are in all. */
  get total(): number {
    return this.#total;
  }

  /** How many there are of a site. */
  of(site: string): number {
    return this.#counts.get(site) ?? 0;
  }

  /** One more of a site. */
  add(site: string): void {
    this.#counts.set(site, this.of(site) + 1);
    this.#total++;
  }

  /** One less of a site, of which there is one. */
  remove(site: string): void {
    const left = this.of(site) - 1;
    if (left > 0) this.#counts.set(site, left);
    else this.#counts.delete(site);
    this.#total--;
  }
}
