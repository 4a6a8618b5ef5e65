/** Whoever came for messages just now is about to come again: clients that are there ask again at once. */
const PRESENT_MS = 2_000;

interface Visit {
  /** By the owner's clock. */
  readonly at: number;
  /** By the server's. */
  readonly seen: number;
}

/** Remembers when owners came for their messages: who may be there, and which of their requests have been used. */
export class Owners {
  /** The one that has not come for longest is first. */
  readonly #visits = new Map<string, Visit>();

  /** @param most that are remembered. */
  constructor(
    readonly most: number,
    readonly now: () => number,
  ) {}

  /** The time of the latest take of an owner, by its own clock; 0 when none is known. */
  lastOf(owner: string): number {
    return this.#visits.get(owner)?.at ?? 0;
  }

  /** An owner has come, or its poll has waited until now. */
  visit(owner: string, at: number): void {
    this.#visits.delete(owner);
    this.#visits.set(owner, { at, seen: this.now() });
    const [first] = this.#visits.keys();
    if (this.#visits.size > this.most && first !== undefined) this.#visits.delete(first);
  }

  /** Whether an owner was there just now. One that waits is there for as long as it does, which is not told here. */
  isPresent(owner: string): boolean {
    const visit = this.#visits.get(owner);
    return visit !== undefined && visit.seen + PRESENT_MS > this.now();
  }
}
