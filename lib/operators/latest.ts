import { Observable } from 'rxjs';
import { Subscribers } from './subscribers.js';

/** In place of a value where there is none. */
const NONE = Symbol('none');

/**
 * A value that changes, for those who subscribe: each gets the latest value, if there is one, and each that follows. A `ReplaySubject` of
 * one does the same, but takes half a kilobyte even where nobody subscribes, and a server has some for each connection.
 *
 * @example
 * const path = new Latest<string>();
 * path.next('relay');
 * path.value; // 'relay'
 * path.value$.subscribe(console.log);
 */
export class Latest<T> {
  #value: T | typeof NONE = NONE;
  #isComplete = false;
  #subscribers: Subscribers<T> | undefined;

  /** The latest value; `undefined` where there is none. */
  get value(): T | undefined {
    return this.#value === NONE ? undefined : this.#value;
  }

  /** The latest value and each that follows. Completes when no more will come. */
  get value$(): Observable<T> {
    return new Observable((subscriber) => {
      const leave = this.#isComplete ? undefined : (this.#subscribers ??= new Subscribers()).join(subscriber);
      if (this.#value !== NONE) subscriber.next(this.#value);
      if (this.#isComplete) subscriber.complete();
      return leave;
    });
  }

  next(value: T): void {
    if (this.#isComplete) return;
    this.#value = value;
    this.#subscribers?.next(value);
  }

  /** No more values will come. Who subscribes later still gets the latest. */
  complete(): void {
    this.#isComplete = true;
    const subscribers = this.#subscribers;
    this.#subscribers = undefined;
    subscribers?.complete();
  }

  /** Forgets the latest value: who subscribes from now on gets only what follows. */
  forget(): void {
    this.#value = NONE;
  }
}
