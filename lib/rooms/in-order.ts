import { noop, type SchedulerLike, type Subscription } from 'rxjs';
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
  #isClosed = false;

  constructor(readonly scheduler: SchedulerLike) {}

  /** Passes a message on when it is its turn. Messages that are not for the application take part in the counting, too. */
  add({ author, stream, number }: SignedMessage, pass: () => void): void {
    const key = `${author} ${stream}`;
    const known = this.#streams.get(key) ?? { next: number, waiting: new Map<number, () => void>(), gap: undefined };
    this.#streams.add(key, known);
    this.#place(known, number, pass);
    this.#forget();
  }

  /** Counts a message that was left out, so that later ones of its author do not wait for it. It begins no stream. */
  skip({ author, stream, number }: SignedMessage): void {
    const known = this.#streams.get(`${author} ${stream}`);
    if (known !== undefined) this.#place(known, number, noop);
  }

  /** Nothing that waits is passed on any more. */
  close(): void {
    this.#isClosed = true;
    for (const [, { gap }] of this.#streams) gap?.unsubscribe();
  }

  #place(stream: Stream, number: number, pass: () => void): void {
    if (number < stream.next || stream.waiting.has(number)) return;
    stream.waiting.set(number, pass);
    if (stream.waiting.size > MOST_OF_AUTHOR) stream.next = Math.min(...stream.waiting.keys());
    this.#goOn(stream);
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
    // What was passed on may have had the application leave.
    if (stream.waiting.size === 0 || this.#isClosed) return;
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
