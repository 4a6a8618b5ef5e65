/** Counts what there is of each host, and of all, and forgets those of which there is nothing. */
export class HostCounts {
  readonly #counts = new Map<string, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  of(host: string): number {
    return this.#counts.get(host) ?? 0;
  }

  add(host: string): void {
    this.#counts.set(host, this.of(host) + 1);
    this.#total++;
  }

  /** What was added before. */
  remove(host: string): void {
    const left = this.of(host) - 1;
    if (left > 0) this.#counts.set(host, left);
    else this.#counts.delete(host);
    this.#total--;
  }
}
