/** Has something to hand to the system. */
interface Flushing {
  flush(): void;
}

/**
 * Has what was said to clients written once all that has come at the same time has been answered: what many senders say to one
 * receiver then goes out in one piece.
 */
export class Outbox {
  #waiting: Flushing[] = [];

  /** Has something flushed, soon. */
  add(client: Flushing): void {
    if (this.#waiting.length === 0) setImmediate(this.#flush);
    this.#waiting.push(client);
  }

  readonly #flush = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const client of waiting) client.flush();
  };
}
