import type { PeerId } from '../../identity.js';
import type { Member, Random } from '../machine.js';

/** A member of the passive view. */
export interface Entry {
  member: Member;
  /** Who has brought it: a neighbour, or one of {@link DISCOVERY} and {@link STRANGERS}. */
  by: string;
  /** Dials that did not succeed. */
  failures: number;
  /** It is not dialled before this time. */
  restUntil: number;
}

/** Brought by discovery. No peer id is so short. */
export const DISCOVERY = 'discovery';

/** Has come by itself. */
export const STRANGERS = 'strangers';

/**
 * The passive view: members that are not neighbours, so that there is somebody to turn to when a neighbour goes. Every entry is hearsay.
 * When it is full, whoever has brought most gives way: one neighbour that lies fills its share and no more. What discovery has seen counts for
 * more than what members say: half of the places are kept for it, and no hearsay takes the place of its locators.
 */
export class PassiveView {
  readonly #entries: Entry[] = [];
  readonly #places = new Map<PeerId, number>();
  readonly #broughtBy = new Map<string, number>();

  constructor(
    readonly capacity: number,
    readonly random: Random,
  ) {}

  get size(): number {
    return this.#entries.length;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  has(id: PeerId): boolean {
    return this.#places.has(id);
  }

  /**
   * Adds a member, or takes its newer locator if it comes from the same side, or from discovery: others could have it dialled somewhere else.
   */
  add(member: Member, by: string, rest?: Pick<Entry, 'failures' | 'restUntil'>): void {
    const place = this.#places.get(member.id);
    const known = place === undefined ? undefined : this.#entries[place];
    if (known !== undefined) {
      if (known.by !== by && by !== DISCOVERY) return;
      known.member = member;
      this.#count(known.by, -1);
      this.#count((known.by = by), 1);
      return;
    }
    if (this.#entries.length >= this.capacity) this.#giveWay(by);
    this.#places.set(member.id, this.#entries.length);
    this.#entries.push({ member, by, failures: rest?.failures ?? 0, restUntil: rest?.restUntil ?? 0 });
    this.#count(by, 1);
  }

  #count(by: string, more: number): void {
    const count = (this.#broughtBy.get(by) ?? 0) + more;
    if (count <= 0) this.#broughtBy.delete(by);
    else this.#broughtBy.set(by, count);
  }

  /** Removes a member, and returns what was known of it. */
  take(id: PeerId): Entry | undefined {
    const place = this.#places.get(id);
    const entry = place === undefined ? undefined : this.#entries[place];
    if (place === undefined || entry === undefined) return undefined;
    const last = this.#entries.pop();
    if (last !== undefined && last !== entry) {
      this.#entries[place] = last;
      this.#places.set(last.member.id, place);
    }
    this.#places.delete(id);
    this.#count(entry.by, -1);
    return entry;
  }

  /** One that may be dialled now, at random. */
  pick(now: number, mustBeDialable: boolean): Entry | undefined {
    const { length } = this.#entries;
    const from = Math.floor(this.random() * length);
    for (let step = 0; step < length; step++) {
      const entry = this.#entries[(from + step) % length];
      if (entry !== undefined && entry.restUntil <= now && (entry.member.dialable || !mustBeDialable)) return entry;
    }
    return undefined;
  }

  /** When the next that rests may be dialled; `undefined` when there is none. */
  get nextAt(): number | undefined {
    let next: number | undefined;
    for (const { restUntil } of this.#entries) if (next === undefined || restUntil < next) next = restUntil;
    return next;
  }

  /** Adds up to so many at random to a list, but for those that could not be dialled. */
  sampleInto(members: Member[], most: number, without: PeerId): void {
    const { length } = this.#entries;
    let left = Math.min(most, length);
    const from = Math.floor(this.random() * length);
    // Entries change their places again and again, so that those beside each other have nothing in common.
    for (let step = 0; step < length && left > 0; step++) {
      const entry = this.#entries[(from + step) % length];
      if (entry === undefined || entry.failures > 0 || entry.member.id === without) continue;
      members.push(entry.member);
      left--;
    }
  }

  /** Removes one of whoever has brought most; at a tie, of the newcomer's bringer. */
  #giveWay(by: string): void {
    let most = by;
    let count = this.#isAssured(by) ? 0 : (this.#broughtBy.get(by) ?? 0);
    for (const [bringer, its] of this.#broughtBy) {
      if (its <= count || this.#isAssured(bringer)) continue;
      most = bringer;
      count = its;
    }
    const from = Math.floor(this.random() * this.#entries.length);
    for (let step = 0; step < this.#entries.length; step++) {
      const entry = this.#entries[(from + step) % this.#entries.length];
      if (entry?.by !== most) continue;
      this.take(entry.member.id);
      return;
    }
  }

  /** Whether what somebody has brought gives way to nothing: what discovery has seen, up to half of the places. */
  #isAssured(by: string): boolean {
    return by === DISCOVERY && 2 * (this.#broughtBy.get(by) ?? 0) <= this.capacity;
  }
}
