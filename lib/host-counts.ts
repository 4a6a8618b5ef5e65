/** Counts what there is of each host, and of all, and forgets those of which there is nothing. */
export class HostCounts {
  readonly #counts = new Map<string, number>();
  #total = 0;

  /** How many there are in all. */
  get total(): number {
    return this.#total;
  }

  /** How many there are of a host. */
  of(host: string): number {
    return this.#counts.get(host) ?? 0;
  }

  /** One more of a host. */
  add(host: string): void {
    this.#counts.set(host, this.of(host) + 1);
    this.#total++;
  }

  /** One less of a host, of which there is one. */
  remove(host: string): void {
    const left = this.of(host) - 1;
    if (left > 0) this.#counts.set(host, left);
    else this.#counts.delete(host);
    this.#total--;
  }
}
