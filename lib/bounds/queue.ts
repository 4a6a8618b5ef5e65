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
  /** There is none while nothing waits: most queues are empty most of the time, and many never have more than one. */
  #items: (T | undefined)[] | undefined;
  #first = 0;

  /** How many wait. */
  get length(): number {
    return this.#items === undefined ? 0 : this.#items.length - this.#first;
  }

  /** The one that has waited longest; it goes on waiting. `undefined` when none waits. */
  get next(): T | undefined {
    return this.#items?.[this.#first];
  }

  push(item: T): void {
    if (this.#items === undefined) this.#items = [item];
    else this.#items.push(item);
  }

  /** Takes the one that has waited longest; `undefined` when none waits. */
  take(): T | undefined {
    const items = this.#items;
    if (items === undefined) return undefined;
    const item = items[this.#first];
    // What has been taken is kept alive no longer.
    items[this.#first++] = undefined;
    if (this.#first === items.length) this.#clear();
    else if (this.#first * 2 >= items.length) {
      this.#items = items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  /** Takes the one that came last; `undefined` when none waits. */
  takeNewest(): T | undefined {
    const item = this.#items?.pop();
    if (this.length === 0) this.#clear();
    return item;
  }

  #clear(): void {
    this.#items = undefined;
    this.#first = 0;
  }

  /** Takes all that wait, in their order. */
  takeAll(): T[] {
    const all: T[] = [];
    for (let item = this.take(); item !== undefined; item = this.take()) all.push(item);
    return all;
  }
}
