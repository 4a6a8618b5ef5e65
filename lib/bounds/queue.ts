/**
 * What waits, in the order in which it came. Each step takes constant time on average: `Array.shift` moves all others up, which with
 * 65,000 of them, as a peer can make of 128 KiB, takes as long as a thousand steps of anything else.
 *
 * @example
 * const frames = new Queue<Frame>();
 * frames.push(frame);
 * for (let next = frames.take(); next !== undefined; next = frames.take()) handle(next);
 */
export class Queue<T> {
  #items: (T | undefined)[] = [];
  #first = 0;

  /** How many wait. */
  get length(): number {
    return this.#items.length - this.#first;
  }

  /** The one that has waited longest; it goes on waiting. `undefined` when none waits. */
  get next(): T | undefined {
    return this.#items[this.#first];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** Takes the one that has waited longest; `undefined` when none waits. */
  take(): T | undefined {
    const item = this.next;
    if (this.length === 0) return undefined;
    // What has been taken is kept alive no longer.
    this.#items[this.#first++] = undefined;
    if (this.#first * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  /** Takes the one that came last; `undefined` when none waits. */
  takeNewest(): T | undefined {
    return this.length === 0 ? undefined : this.#items.pop();
  }

  /** Takes all that wait, in their order. */
  takeAll(): T[] {
    const all: T[] = [];
    for (let item = this.take(); item !== undefined; item = this.take()) all.push(item);
    return all;
  }
}
