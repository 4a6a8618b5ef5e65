import { Observable, type Subscriber } from 'rxjs';
import type { AcceptOptions, Channel } from '../connection.js';

/** A subscriber that accepts channels of a name. */
interface Acceptor {
  readonly subscriber: Subscriber<Channel>;
  readonly options: AcceptOptions;
}

/** The subscribers that accept the channels that peers open, by the channels' names. */
export class Acceptors {
  readonly #byName = new Map<string, Set<Acceptor>>();
  #isComplete: boolean;

  /** @param isComplete whether no channel will be opened any more. */
  constructor(isComplete = false) {
    this.#isComplete = isComplete;
  }

  /** Emits the channels that are opened with a name. Completes only by {@link complete}; after that, at once. */
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
   * Hands a channel to each subscriber for its name.
   *
   * @param make makes the channel, with the options of the first subscriber; called only if there is one.
   * @returns whether there is a subscriber.
   */
  offer(name: string, make: (options: AcceptOptions) => Channel): boolean {
    const all = [...(this.#byName.get(name) ?? [])];
    const [first] = all;
    if (first === undefined) return false;
    const channel = make(first.options);
    for (const { subscriber } of all) subscriber.next(channel);
    return true;
  }

  /** Completes all subscribers' streams: no channel will be opened any more. */
  complete(): void {
    this.#isComplete = true;
    for (const all of [...this.#byName.values()]) for (const { subscriber } of [...all]) subscriber.complete();
  }
}
