import type { SchedulerLike, Subscription } from 'rxjs';
import { ByAge } from '../bounds/by-age.js';
import type { SignedMessage } from './author/message.js';

/** For how long a message waits for an earlier one of its author, in milliseconds: longer than a lost branch of the tree takes to be repaired. */
const GAP_MS = 2_000;

/** How many messages of one author wait at most, … */
const MOST_OF_AUTHOR = 64;

/** … and of how many authors it is remembered where they are. */
const MOST_AUTHORS = 1_000;

/** An author, as far as its messages have been passed on. */
interface Stream {
  next: number;
  readonly waiting: Map<number, () => void>;
  gap: Subscription | undefined;
}

/**
 * Brings the messages of each author into the order in which it said them. The first message that is seen of an author's stream begins it. A
 * message that comes after its gap was given up is left out.
 */
export class InOrder {
  readonly #streams = new ByAge<string, Stream>();

  constructor(readonly scheduler: SchedulerLike) {}

  /** Passes a message on when it is its turn. Messages that are not for the application take part in the counting, too. */
  add({ author, stream, number }: SignedMessage, pass: () => void): void {
    const key = `${author} ${stream}`;
    const known = this.#streams.get(key) ?? { next: number, waiting: new Map<number, () => void>(), gap: undefined };
    this.#streams.add(key, known);
    if (number < known.next || known.waiting.has(number)) return;
    known.waiting.set(number, pass);
    if (known.waiting.size > MOST_OF_AUTHOR) known.next = Math.min(...known.waiting.keys());
    this.#goOn(known);
    this.#forget();
  }

  /** Nothing that waits is passed on any more. */
  close(): void {
    for (const [, { gap }] of this.#streams) gap?.unsubscribe();
  }

  #goOn(stream: Stream): void {
    const before = stream.next;
    for (let pass = stream.waiting.get(stream.next); pass !== undefined; pass = stream.waiting.get(stream.next)) {
      stream.waiting.delete(stream.next++);
      pass();
    }
    if (stream.next !== before || stream.waiting.size === 0) {
      stream.gap?.unsubscribe();
      stream.gap = undefined;
    }
    if (stream.waiting.size === 0) return;
    stream.gap ??= this.scheduler.schedule(() => {
      stream.gap = undefined;
      stream.next = Math.min(...stream.waiting.keys());
      this.#goOn(stream);
    }, GAP_MS);
  }

  #forget(): void {
    const { oldest } = this.#streams;
    if (this.#streams.size <= MOST_AUTHORS || oldest === undefined) return;
    oldest.value.gap?.unsubscribe();
    this.#streams.delete(oldest.key);
  }
}
