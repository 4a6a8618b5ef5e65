import { Admission } from '../../lib/bounds/admission.js';
import { ByAge } from '../../lib/bounds/by-age.js';
import { AHEAD_MS } from '../../lib/signalling/carriers/mailbox-messages.js';
import { CLOCK_TOLERANCE_MS } from '../../lib/signed-request.js';
import type { VisitRefusal, Visits } from './message-boxes.js';

/** How long an owner counts as present after a take: a live client asks again at once. */
export const PRESENT_MS = 2_000;

/** After this time, in milliseconds, a take is too old to be replayed. */
export const REMEMBER_MS = CLOCK_TOLERANCE_MS + AHEAD_MS;

/** What {@link Owners} needs. */
interface OwnersConfig {
  /** Owners that are remembered at most. */
  readonly most: number;
  /** A clock that never jumps, in milliseconds. */
  readonly now: () => number;
  /** The time of day, in milliseconds since the epoch. */
  readonly timeOfDay: () => number;
}

interface Visit {
  /** By the owner's clock. */
  readonly at: number;
  /** By the server's. */
  readonly seen: number;
  /** The site that it is counted for. */
  readonly site: string;
  /** It hung up while its poll waited. */
  readonly hasLeft: boolean;
}

/**
 * Remembers when owners last took their messages, to know who is present and to refuse replays. The table is shared by sites.
 * Owners of the largest site may be forgotten early; then a recorded take of theirs can be replayed until its time is too old.
 */
export class Owners implements Visits {
  /** When this server started. It does not know which takes were answered before. */
  readonly #started: number;
  /** The one that has not come for longest is first. */
  readonly #visits = new ByAge<string, Visit>();
  readonly #room: Admission<string>;

  constructor(readonly config: OwnersConfig) {
    this.#started = config.timeOfDay();
    this.#room = new Admission({ most: config.most });
  }

  visit(owner: string, site: string, at: number): VisitRefusal | undefined {
    const last = this.#visits.get(owner)?.at ?? 0;
    if (at <= last) return { refused: 'replayed', now: last + 1 };
    // This server's clock may have been set back since the owner came last.
    const isEarly = at > Math.max(this.config.timeOfDay(), last) + AHEAD_MS;
    if (at < this.#started || isEarly) return { refused: 'untimely' };
    return this.#remember(owner, site, at) ? undefined : { refused: 'host-full' };
  }

  isLatest(owner: string, at: number): boolean {
    return this.#visits.get(owner)?.at === at;
  }

  /** Returns whether there is room to remember it. */
  #remember(owner: string, site: string, at: number): boolean {
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

  /** Whether an owner took messages just now. Whether it has a waiting poll is not known here. */
  isPresent(owner: string): boolean {
    const visit = this.#visits.get(owner);
    return visit?.hasLeft === false && visit.seen + PRESENT_MS > this.config.now();
  }

  #see(owner: string, { site, at }: Pick<Visit, 'site' | 'at'>): void {
    this.#visits.add(owner, { site, at, seen: this.config.now(), hasLeft: false });
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
