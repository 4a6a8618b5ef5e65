/** Something of which the age is known. */
interface Aged<K, V> {
  readonly key: K;
  value: V;
  older: Aged<K, V> | undefined;
  newer: Aged<K, V> | undefined;
}

/**
 * Values by key, of which the oldest is found at once. Every step takes constant time. The first entry of a `Map` is not found so fast: a `Map`
 * keeps a gap for what was deleted until it is laid out anew, and each look at its beginning passes over all gaps there. Where the oldest of
 * many thousands gives way again and again, that is thousands of steps each time.
 *
 * @example
 * const latest = new ByAge<string, Buffer>();
 * latest.add('a', Buffer.of(1));
 * latest.keep(1_000); // the oldest go
 */
export class ByAge<K, V> {
  readonly #all = new Map<K, Aged<K, V>>();
  #oldest: Aged<K, V> | undefined;
  #newest: Aged<K, V> | undefined;

  /** How many there are. */
  get size(): number {
    return this.#all.size;
  }

  /** The oldest; `undefined` when there is none. */
  get oldest(): { readonly key: K; readonly value: V } | undefined {
    return this.#oldest;
  }

  has(key: K): boolean {
    return this.#all.has(key);
  }

  get(key: K): V | undefined {
    return this.#all.get(key)?.value;
  }

  /** Adds a value as the newest, in the place of that of the same key. */
  add(key: K, value: V): void {
    this.delete(key);
    const added: Aged<K, V> = { key, value, older: this.#newest, newer: undefined };
    if (this.#newest === undefined) this.#oldest = added;
    else this.#newest.newer = added;
    this.#newest = added;
    this.#all.set(key, added);
  }

  /** Sets the value of a key, which keeps its age; one that is not there is added as the newest. */
  set(key: K, value: V): void {
    const known = this.#all.get(key);
    if (known === undefined) this.add(key, value);
    else known.value = value;
  }

  /** Returns whether it was there. */
  delete(key: K): boolean {
    const gone = this.#all.get(key);
    if (gone === undefined) return false;
    this.#all.delete(key);
    if (gone.older === undefined) this.#oldest = gone.newer;
    else gone.older.newer = gone.newer;
    if (gone.newer === undefined) this.#newest = gone.older;
    else gone.newer.older = gone.older;
    return true;
  }

  /** Deletes the oldest until there are no more than so many. */
  keep(most: number): void {
    while (this.#oldest !== undefined && this.size > most) this.delete(this.#oldest.key);
  }

  /** All of them, the oldest first. The one that is looked at may be deleted, or added anew. */
  *[Symbol.iterator](): Generator<readonly [key: K, value: V]> {
    for (let next = this.#oldest; next !== undefined; next = next.newer) yield [next.key, next.value];
  }
}
