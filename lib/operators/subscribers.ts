import type { Subscriber } from 'rxjs';

/**
 * Those who have subscribed to an Observable that is made by hand: each value goes to all of them. A `Subject` does the same at twice the
 * price, and to lines, which are many, that matters.
 *
 * @example
 * const subscribers = new Subscribers<string>();
 * const line$ = new Observable<string>((subscriber) => subscribers.join(subscriber));
 * line$.subscribe(console.log);
 * subscribers.next('hello');
 */
export class Subscribers<T> {
  /** Replaced and never changed, so that subscribing or leaving while a value is handed out does not affect that value. */
  #all: readonly Subscriber<T>[] = [];

  /** How many there are. */
  get size(): number {
    return this.#all.length;
  }

  /** Adds one. Returns what removes it again. */
  join(subscriber: Subscriber<T>): () => void {
    // An array that is copied and added to has room for sixteen more.
    this.#all = this.#all.concat(subscriber);
    return () => {
      this.#all = this.#all.filter((each) => each !== subscriber);
    };
  }

  next(value: T): void {
    for (const subscriber of this.#all) subscriber.next(value);
  }

  error(error: unknown): void {
    for (const subscriber of this.#all) subscriber.error(error);
  }

  complete(): void {
    for (const subscriber of this.#all) subscriber.complete();
  }
}
