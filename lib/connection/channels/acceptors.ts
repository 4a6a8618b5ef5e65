import { Observable, type Subscriber } from 'rxjs';
import type { AcceptOptions, Channel } from '../connection.js';

/** Somebody who takes channels of a name. */
interface Acceptor {
  readonly subscriber: Subscriber<Channel>;
  readonly options: AcceptOptions;
}

/** Who takes the channels that peers open, by their names. */
export class Acceptors {
  readonly #byName = new Map<string, Set<Acceptor>>();
  #isComplete = false;

  /** The channels that are opened by a name, while subscribed. Completes by {@link complete} alone, and at once after it. */
  channels$(name: string, options: AcceptOptions = {}): Observable<Channel> {
    return new Observable((subscriber) => {
      if (this.#isComplete) {
        subscriber.complete();
        return undefined;
      }
      const acceptor = { subscriber, options };
      const all = this.#byName.get(name) ?? new Set();
      this.#byName.set(name, all.add(acceptor));
      return () => {
        all.delete(acceptor);
        if (all.size === 0 && this.#byName.get(name) === all) this.#byName.delete(name);
      };
    });
  }

  /**
   * Hands a channel to all who take those of its name.
   *
   * @param make makes the channel, when somebody takes it.
   * @returns whether anybody does.
   */
  offer(name: string, make: (options: AcceptOptions) => Channel): boolean {
    const all = [...(this.#byName.get(name) ?? [])];
    const [first] = all;
    if (first === undefined) return false;
    const channel = make(first.options);
    for (const { subscriber } of all) subscriber.next(channel);
    return true;
  }

  /** Completes the streams of all: no channel comes any more. */
  complete(): void {
    this.#isComplete = true;
    for (const all of [...this.#byName.values()]) for (const { subscriber } of [...all]) subscriber.complete();
  }
}
