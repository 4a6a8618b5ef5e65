/**
 * Things of which samples are taken at random. To take one in or out, or to sample one, takes constant time, however many there are.
 *
 * @example
 * const keys = new Sampled<string>(Math.random);
 * keys.add('one').add('other');
 * for (const key of keys.inRandomOrder()) console.log(key);
 */
export class Sampled<T extends string | object> {
  readonly #items: T[] = [];
  readonly #positions = new Map<T, number>();

  /** @param random a number from 0 up to but not including 1. */
  constructor(readonly random: () => number) {}

  /** How many there are. */
  get size(): number {
    return this.#items.length;
  }

  /** Takes one in. Does nothing where it is here already. */
  add(item: T): this {
    if (!this.#positions.has(item)) this.#positions.set(item, this.#items.push(item) - 1);
    return this;
  }

  /** Takes one out. */
  delete(item: T): void {
    const position = this.#positions.get(item);
    if (position === undefined) return;
    this.#positions.delete(item);
    // The last takes its place, so that there is no gap.
    const last = this.#items.pop();
    if (last !== undefined && last !== item) this.#put(last, position);
  }

  /** All of them, as far as they are asked for. The one that came last may be taken out meanwhile. */
  *inRandomOrder(): Generator<T, void> {
    // Fisher–Yates, as far as it is needed, in place: the order of the array means nothing.
    for (let left = this.#items.length; left > 0; left--) {
      const position = Math.floor(this.random() * left);
      const chosen = this.#items[position];
      const last = this.#items[left - 1];
      if (chosen === undefined || last === undefined) return;
      this.#put(last, position);
      this.#put(chosen, left - 1);
      yield chosen;
    }
  }

  #put(item: T, position: number): void {
    this.#items[position] = item;
    this.#positions.set(item, position);
  }
}
