import { Queue } from '../bounds/queue.js';

/** So many chunks wait in all links together: 4 MiB, where each is a full TLS record. */
const MOST_CHUNKS = 256;

/** A link that has gathered chunks. */
export interface Gatherer {
  /** Reads what was gathered. */
  readGathered(): void;
}

/**
 * The links that have gathered chunks, to be read when the sockets have no more in this turn of the event loop. Code that runs again at once is
 * in the processor's caches: of a fast stream more than half of the work above TLS was waiting for memory.
 */
class Turn {
  readonly #links = new Queue<Gatherer>();
  #chunks = 0;
  #isEndDue = false;

  /** A link has gathered its first chunk. */
  begin(link: Gatherer): void {
    this.#links.push(link);
    this.#endLater();
    this.gathered();
  }

  /** A link has gathered one chunk more. */
  gathered(): void {
    this.#chunks++;
    if (this.#chunks >= MOST_CHUNKS) this.#end();
  }

  /** A link has not read all that it has gathered. */
  again(link: Gatherer): void {
    this.#links.push(link);
    this.#endLater();
  }

  /** A link has read, or dropped, so many chunks. */
  done(chunks: number): void {
    this.#chunks -= chunks;
  }

  #endLater(): void {
    if (this.#isEndDue) return;
    this.#isEndDue = true;
    setImmediate(() => {
      this.#isEndDue = false;
      this.#end();
    });
  }

  #end(): void {
    try {
      for (let link = this.#links.take(); link !== undefined; link = this.#links.take()) link.readGathered();
    } finally {
      // What a listener throws concerns one link.
      if (this.#links.length > 0) this.#endLater();
    }
  }
}

/** The turn of the event loop, of which a process has one. */
export const turn = new Turn();
