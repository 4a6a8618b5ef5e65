/**
 * What is to happen, in the order of its time: one list for each millisecond of virtual time, so that adding and taking cost the same however
 * much waits. What is added for the same millisecond happens in the order in which it was added.
 */
export class EventQueue<Event> {
  readonly #byTime = new Map<number, Event[]>();
  #now = 0;
  #current: Event[] = [];
  #next = 0;
  #size = 0;

  /** Milliseconds of virtual time. */
  get now(): number {
    return this.#now;
  }

  /** How much waits. */
  get size(): number {
    return this.#size;
  }

  /** @param at milliseconds of virtual time; what has passed is now. */
  add(at: number, event: Event): void {
    const ms = Math.max(Math.ceil(at), this.#now);
    this.#size++;
    if (ms === this.#now) {
      this.#current.push(event);
      return;
    }
    const events = this.#byTime.get(ms);
    if (events === undefined) this.#byTime.set(ms, [event]);
    else events.push(event);
  }

  /** Takes the next event up to a time, and sets the clock to when it happens; `undefined`, and the clock is at that time, if there is none. */
  take(until: number): Event | undefined {
    for (;;) {
      const event = this.#current[this.#next];
      if (event !== undefined) {
        this.#next++;
        this.#size--;
        return event;
      }
      if (this.#now >= until) return undefined;
      this.#now++;
      this.#current = this.#byTime.get(this.#now) ?? [];
      this.#byTime.delete(this.#now);
      this.#next = 0;
    }
  }
}
