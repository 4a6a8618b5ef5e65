import { Admission } from '../../lib/bounds/admission.js';
import { AHEAD_MS } from '../../lib/signalling/carriers/mailbox-messages.js';
import { CLOCK_TOLERANCE_MS } from '../../lib/signed-request.js';

/** Whoever came for messages just now is about to come again: clients that are there ask again at once. */
const PRESENT_MS = 2_000;

/** After this time, in milliseconds, a take is too old to be said again. */
const REMEMBER_MS = CLOCK_TOLERANCE_MS + AHEAD_MS;

/** What {@link Owners} needs. */
interface OwnersConfig {
  /** Owners that are remembered at most. */
  readonly most: number;
  /** A clock that never jumps, in milliseconds. */
  readonly now: () => number;
}

interface Visit {
  /** By the owner's clock. */
  readonly at: number;
  /** By the server's. */
  readonly seen: number;
  /** Whom it is counted for. */
  readonly site: string;
  /** It hung up while its poll waited. */
  readonly hasLeft: boolean;
}

/**
 * Remembers when owners came for their messages: who may be there, and which of their requests have been used. The table is shared
 * by sites. Owners of the site that has most there may be forgotten too early, and what was seen of their takes is good again for
 * as long as its time is.
 */
export class Owners {
  /** The one that has not come for longest is first. */
  readonly #visits = new Map<string, Visit>();
  readonly #room: Admission<string>;

  constructor(readonly config: OwnersConfig) {
    this.#room = new Admission({ most: config.most });
  }

  /** The time of the latest take of an owner, by its own clock; `undefined` when none is known. */
  lastOf(owner: string): number | undefined {
    return this.#visits.get(owner)?.at;
  }

  /** An owner has come with a take. Returns whether that can be remembered: if not, it must not be answered. */
  visit(owner: string, site: string, at: number): boolean {
    this.#forget();
    const before = this.#visits.get(owner);
    if (before === undefined) {
      const { isIn, gaveWay } = this.#room.admit(site, owner);
      if (gaveWay !== undefined) this.#visits.delete(gaveWay);
      if (!isIn) return false;
    }
    this.#see(owner, { site: before?.site ?? site, at });
    return true;
  }

  /** The poll of an owner has waited until now. */
  stay(owner: string): void {
    const visit = this.#visits.get(owner);
    if (visit !== undefined) this.#see(owner, visit);
  }

  /** An owner whose poll waited has gone. */
  left(owner: string): void {
    const visit = this.#visits.get(owner);
    if (visit !== undefined) this.#visits.set(owner, { ...visit, hasLeft: true });
  }

  /** Whether an owner was there just now. One that waits is there for as long as it does, which is not told here. */
  isPresent(owner: string): boolean {
    const visit = this.#visits.get(owner);
    return visit?.hasLeft === false && visit.seen + PRESENT_MS > this.config.now();
  }

  #see(owner: string, { site, at }: Pick<Visit, 'site' | 'at'>): void {
    this.#visits.delete(owner);
    this.#visits.set(owner, { site, at, seen: this.config.now(), hasLeft: false });
  }

  #forget(): void {
    const before = this.config.now() - REMEMBER_MS;
    for (const [owner, { seen, site }] of this.#visits) {
      if (seen >= before) break;
      this.#visits.delete(owner);
      this.#room.leave(site, owner);
    }
  }
}
