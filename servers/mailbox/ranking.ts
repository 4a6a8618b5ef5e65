interface Place {
  readonly who: string;
  amount: number;
}

/**
 * Finds who has most of something, by a binary heap: a change takes logarithmic time, the answer constant time.
 *
 * @example
 * const bytes = new Ranking();
 * bytes.set('192.0.2.7', 1_000);
 * bytes.most; // { who: '192.0.2.7', amount: 1_000 }
 */
export class Ranking {
  /** The heap property: no entry is greater than the one at half its index. */
  readonly #heap: Place[] = [];
  readonly #indexes = new Map<string, number>();

  /** Who has most, if anybody has anything. */
  get most(): Readonly<Place> | undefined {
    return this.#heap[0];
  }

  /** Sets an amount; entries with 0 are removed. */
  set(who: string, amount: number): void {
    const index = this.#indexes.get(who);
    const place = index === undefined ? undefined : this.#heap[index];
    if (index === undefined || place === undefined) {
      if (amount > 0) this.#rise({ who, amount }, this.#heap.length);
      return;
    }
    if (amount > 0) {
      place.amount = amount;
      this.#settle(place, index);
      return;
    }
    this.#indexes.delete(who);
    const last = this.#heap.pop();
    if (last !== undefined && last !== place) this.#settle(last, index);
  }

  #settle(place: Place, index: number): void {
    this.#sink(place, index);
    this.#rise(place, this.#indexes.get(place.who) ?? index);
  }

  #rise(place: Place, from: number): void {
    let index = from;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const other = this.#heap[above];
      if (other === undefined || other.amount >= place.amount) break;
      this.#put(other, index);
      index = above;
    }
    this.#put(place, index);
  }

  #sink(place: Place, from: number): void {
    let index = from;
    for (;;) {
      const [left, right] = [this.#heap[2 * index + 1], this.#heap[2 * index + 2]];
      if (left === undefined) break;
      const isRight = right !== undefined && right.amount > left.amount;
      const greater = isRight ? right : left;
      if (greater.amount <= place.amount) break;
      this.#put(greater, index);
      index = 2 * index + (isRight ? 2 : 1);
    }
    this.#put(place, index);
  }

  #put(place: Place, index: number): void {
    this.#heap[index] = place;
    this.#indexes.set(place.who, index);
  }
}
