import { ByAge } from '../../bounds/by-age.js';
import { MAX_HISTORY, type Carried } from './messages.js';

/** Messages that are kept for neighbours that ask for them: of a busy room those of a few seconds, and no more memory than this. */
const MAX_MESSAGES = 256;
const MAX_BYTES = 1_048_576;

/** A message that is kept. */
interface Entry {
  readonly message: Carried;
  /** Hops that it had made when it came here; 0 where this node is its author. */
  readonly round: number;
}

/** The last messages. */
export class Kept {
  readonly #messages = new ByAge<string, Entry>();
  #bytes = 0;

  get(id: string): Entry | undefined {
    return this.#messages.get(id);
  }

  add(message: Carried, round: number): void {
    this.#messages.add(message.id, { message, round });
    this.#bytes += message.bytes.length;
    // The latest stays, whatever its size: who was told of it asks for it.
    while (this.#messages.size > MAX_MESSAGES || (this.#bytes > MAX_BYTES && this.#messages.size > 1)) {
      const { oldest } = this.#messages;
      if (oldest === undefined) return;
      this.#messages.delete(oldest.key);
      this.#bytes -= oldest.value.message.bytes.length;
    }
  }

  /** The last of those that newcomers are given, the oldest first. */
  last(count: number): readonly Carried[] {
    const messages: Carried[] = [];
    for (const [, { message }] of this.#messages) if (message.isKept) messages.push(message);
    return messages.slice(-Math.min(count, MAX_HISTORY));
  }
}
