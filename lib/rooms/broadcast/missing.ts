import type { PeerId } from '../../identity.js';
import { MAX_IDS, MAX_PUSHED_BYTES, MAX_ROUND, type Announced } from './messages.js';
import type { Neighbour } from './neighbour.js';

/**
 * An announced message that takes longer than this by another way is asked for, in milliseconds: a message crosses a large room in that. If
 * it is not there after as long again, another neighbour is asked.
 */
const GRAFT_MS = 500;
/** Where messages come later than their announcements by more, since lines are slow or machines busy, they are waited for longer by this factor … */
const LATE_FACTOR = 1.5;
/** … as they may be by this before any has come: the tree has yet to grow, and code to be compiled; … */
const FIRST_LATE_MS = 2_000;
/** … up to so many milliseconds, … */
const MAX_GRAFT_MS = 4_000;
/** … and by so much less with each message that comes in time. Asking too early makes a second way, and each message on it a copy. */
const LATE_DECAY = 15 / 16;
/** For a large one it takes longer by a millisecond for so many bytes: a line of 1 Mbit/s. */
const BYTES_PER_MS = 128;
/** Lengths are hearsay: more than this, in bytes, is not waited for. */
const MAX_LENGTH = 16_777_216;
/** Who was asked for a message that it had announced has failed after so many milliseconds, and as many more as its bytes take. */
const FAILED_MS = 5_000;
/** Announced by one neighbour, and not yet here. */
const MAX_MISSING = 256;
/** Asked of one neighbour, and not yet here. */
const MAX_ASKED = 64;

/** Who has announced a message. */
export interface Announcer {
  readonly neighbour: Neighbour;
  readonly round: number;
}

/** A message that was announced. */
interface Missing {
  announcers: Announcer[];
  /** Who has been asked for it. */
  readonly asked: Neighbour[];
  /** When it was announced first. */
  readonly since: number;
  /** When it is asked for, if it does not come before that. */
  due: number;
  readonly length: number;
}

/** What is to be asked of a neighbour. */
export interface Wanted {
  readonly neighbour: Neighbour;
  readonly ids: readonly string[];
  readonly isBranch: boolean;
}

/** Messages that neighbours have announced and that are not here. Its tables are bounded for each neighbour, so that none takes others' places. */
export class MissingMessages {
  readonly #missing = new Map<string, Missing>();
  readonly #leastGraftMs: number;
  /** How much later than its announcement a message came that nobody was asked for: the most of late. */
  #lateMs: number;
  /** When the first is due, or earlier. */
  #dueAt = Infinity;
  /** When the first that was asked for has failed, or earlier. */
  #failedAt = Infinity;

  constructor(graftMs: number | undefined) {
    this.#leastGraftMs = graftMs ?? GRAFT_MS;
    this.#lateMs = graftMs === undefined ? FIRST_LATE_MS : 0;
  }

  get wakeAt(): number {
    return Math.min(this.#dueAt, this.#failedAt);
  }

  get #graftMs(): number {
    return Math.min(Math.max(this.#leastGraftMs, LATE_FACTOR * this.#lateMs), MAX_GRAFT_MS);
  }

  /** @param isExpected whether another may be about to push it; otherwise it is asked for at once. */
  announced(by: Neighbour, { id, round, length }: Announced, isExpected: boolean, now: number): void {
    if (by.missing >= MAX_MISSING || by.asked.has(id)) return;
    let missing = this.#missing.get(id);
    if (missing === undefined) {
      const due = now + (isExpected && length <= MAX_PUSHED_BYTES ? this.#graftMs : 0);
      missing = { announcers: [], asked: [], since: now, due, length };
      this.#missing.set(id, missing);
    } else if (missing.announcers.some(({ neighbour }) => neighbour === by)) return;
    missing.announcers.push({ neighbour: by, round: Math.min(round, MAX_ROUND) });
    by.missing++;
    if (missing.due < this.#dueAt) this.#dueAt = missing.due;
  }

  /**
   * A message has come. Returns those who had announced it.
   *
   * @param from who has pushed it, if it is one that is pushed.
   */
  found(id: string, from: Neighbour | undefined, now: number): readonly Announcer[] {
    const missing = this.#missing.get(id);
    if (from !== undefined && missing?.asked.includes(from) !== true)
      this.#lateMs = Math.max(this.#lateMs * LATE_DECAY, missing === undefined ? 0 : now - missing.since);
    if (missing === undefined) return NONE;
    this.#missing.delete(id);
    for (const { neighbour } of missing.announcers) neighbour.missing--;
    return missing.announcers;
  }

  /** What a neighbour has sent under this id was not taken: others are asked at once. */
  notFrom(id: string, by: PeerId, now: number): void {
    const missing = this.#missing.get(id);
    if (missing === undefined) return;
    this.#forget(missing, by);
    missing.due = now;
    this.#dueAt = Math.min(this.#dueAt, now);
  }

  /** A neighbour is none any longer. */
  lost(id: PeerId): void {
    for (const missing of this.#missing.values()) this.#forget(missing, id);
  }

  #forget(missing: Missing, by: PeerId): void {
    missing.announcers = missing.announcers.filter(({ neighbour }) => {
      if (neighbour.id !== by) return true;
      neighbour.missing--;
      return false;
    });
  }

  /** What is to be asked now, and of whom. */
  due(now: number): readonly Wanted[] {
    if (this.#dueAt > now) return [];
    this.#dueAt = Infinity;
    const wanted = new Map<Neighbour, { branch: string[]; large: string[] }>();
    for (const [id, missing] of this.#missing) {
      if (missing.due <= now) this.#ask(id, missing, now, wanted);
      if (missing.due < this.#dueAt) this.#dueAt = missing.due;
    }
    const all: Wanted[] = [];
    for (const [neighbour, { branch, large }] of wanted) {
      for (let from = 0; from < branch.length; from += MAX_IDS)
        all.push({ neighbour, ids: branch.slice(from, from + MAX_IDS), isBranch: true });
      for (let from = 0; from < large.length; from += MAX_IDS)
        all.push({ neighbour, ids: large.slice(from, from + MAX_IDS), isBranch: false });
    }
    return all;
  }

  #ask(id: string, missing: Missing, now: number, wanted: Map<Neighbour, { branch: string[]; large: string[] }>): void {
    const isLarge = missing.length > MAX_PUSHED_BYTES;
    const takesMs = isLarge ? Math.min(missing.length, MAX_LENGTH) / BYTES_PER_MS : 0;
    while (missing.announcers.length > 0) {
      const [next, ...others] = missing.announcers;
      missing.announcers = others;
      if (next === undefined) break;
      const { neighbour } = next;
      neighbour.missing--;
      if (neighbour.asked.size >= MAX_ASKED) continue;
      missing.asked.push(neighbour);
      neighbour.asked.set(id, now + FAILED_MS + takesMs);
      this.#failedAt = Math.min(this.#failedAt, now + FAILED_MS);
      const lists = wanted.get(neighbour) ?? { branch: [], large: [] };
      wanted.set(neighbour, lists);
      (isLarge ? lists.large : lists.branch).push(id);
      missing.due = now + this.#graftMs + takesMs;
      return;
    }
    // Nobody is left who has announced it.
    this.#missing.delete(id);
    missing.due = Infinity;
  }

  /** Neighbours that were asked for what they have announced, and have not sent it in time; each once for each message. */
  failed(neighbours: Iterable<Neighbour>, now: number): readonly Neighbour[] {
    if (this.#failedAt > now) return [];
    this.#failedAt = Infinity;
    const failed: Neighbour[] = [];
    for (const neighbour of neighbours) {
      for (const [id, until] of neighbour.asked) {
        if (until > now) {
          this.#failedAt = Math.min(this.#failedAt, until);
          continue;
        }
        neighbour.asked.delete(id);
        failed.push(neighbour);
      }
    }
    return failed;
  }
}

const NONE: readonly Announcer[] = [];
