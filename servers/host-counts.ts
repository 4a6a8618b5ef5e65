/** Counts what there is of each host, and forgets those of which there is nothing. */
export class HostCounts {
  readonly #counts = new Map<string, number>();

  of(host: string): number {
    return this.#counts.get(host) ?? 0;
  }

  add(host: string): void {
    this.#counts.set(host, this.of(host) + 1);
  }

  remove(host: string): void {
    const left = this.of(host) - 1;
    if (left > 0) this.#counts.set(host, left);
    else this.#counts.delete(host);
  }
}
