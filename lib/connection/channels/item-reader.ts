import type { Subscriber } from 'rxjs';
import type { Decoder } from '../../link/messages.js';
import { Subscribers } from '../../operators/subscribers.js';

/** Where an {@link ItemReader} reads from. */
export interface ItemSource {
  /** Called when somebody has subscribed; what waits may be handed out. */
  onJoin(): void;
  /** Called when somebody has left. */
  onLeave(): void;
}

const NOTHING: readonly never[] = [];

/** Decodes bytes into lines or messages, and hands each to all subscribers. */
export class ItemReader<T> {
  readonly #decoder: Decoder<T>;
  readonly #source: ItemSource;
  readonly #subscribers = new Subscribers<T>();
  #isComplete = false;
  /** The items of the bytes that are being read. */
  #current: readonly T[] = NOTHING;
  #next = 0;

  constructor(decoder: Decoder<T>, source: ItemSource) {
    this.#decoder = decoder;
    this.#source = source;
  }

  /** How many subscribers there are. */
  get readers(): number {
    return this.#subscribers.size;
  }

  /** Whether some of the piece that is being read has not been handed out. */
  get hasMore(): boolean {
    return this.#next < this.#current.length;
  }

  /** What is wrong with the bytes after the items that were handed out; `undefined` while items are left. */
  get fault(): Error | undefined {
    return this.hasMore ? undefined : this.#decoder.fault;
  }

  /** How many bytes it holds of an item that has begun. */
  get begun(): number {
    return this.#decoder.begun;
  }

  /** Hands out the next item. Returns false when more bytes are needed first. */
  handOut(): boolean {
    const item = this.#current[this.#next];
    if (item === undefined) {
      this.clear();
      return false;
    }
    this.#next++;
    this.#subscribers.next(item);
    return true;
  }

  /** Reads bytes. Call it only when all items before them have been handed out. */
  push(bytes: Buffer): void {
    this.#current = this.#decoder.push(bytes);
    this.#next = 0;
  }

  /** There are no more bytes. */
  end(): void {
    this.#current = this.#decoder.end();
    this.#next = 0;
  }

  /** Drops what has not been handed out. */
  clear(): void {
    this.#current = NOTHING;
    this.#next = 0;
  }

  complete(): void {
    this.#isComplete = true;
    this.#subscribers.complete();
  }

  /** Hands the items to a subscriber, too. Returns what ends that. */
  join(subscriber: Subscriber<T>): (() => void) | undefined {
    if (this.#isComplete) {
      subscriber.complete();
      return undefined;
    }
    const leave = this.#subscribers.join(subscriber);
    this.#source.onJoin();
    return () => {
      leave();
      this.#source.onLeave();
    };
  }
}
