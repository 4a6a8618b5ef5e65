/** Counts things that have a name and a kind. */
export class Tally {
  readonly #counts = new Map<string, Map<string, number>>();

  add(name: string, kind: string, times = 1): void {
    let kinds = this.#counts.get(name);
    if (kinds === undefined) {
      kinds = new Map();
      this.#counts.set(name, kinds);
    }
    kinds.set(kind, (kinds.get(kind) ?? 0) + times);
  }

  /** How often something of a kind was counted; of all kinds when none is given. */
  of(name: string, kind?: string): number {
    const kinds = this.#counts.get(name);
    if (kind !== undefined) return kinds?.get(kind) ?? 0;
    return [...(kinds?.values() ?? [])].reduce((sum, count) => sum + count, 0);
  }

  /** The kinds of a name that were counted. */
  kindsOf(name: string): Iterable<string> {
    return this.#counts.get(name)?.keys() ?? [];
  }

  /** How often anything was counted. */
  get total(): number {
    return [...this.#counts.keys()].reduce((sum, name) => sum + this.of(name), 0);
  }

  /** All counts. */
  *entries(): Iterable<readonly [name: string, kind: string, count: number]> {
    for (const [name, kinds] of this.#counts) for (const [kind, count] of kinds) yield [name, kind, count];
  }
}
