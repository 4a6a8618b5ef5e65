import { Admission } from '../../lib/bounds/admission.js';
import { ByAge } from '../../lib/bounds/by-age.js';
import { siteBuckets } from '../../lib/bounds/rate-limit.js';
import type { PeerId } from '../../lib/identity.js';
import type { RendezvousServerLimits } from './limits.js';

/** A session that has slots. */
export interface SlotOwner {
  /** What its connections are counted by. */
  readonly site: string;
  /** There is no room for a slot of its any more. */
  lostSlot(slot: number): void;
}

/** Each side of a pairing says so many messages in a try. */
const MESSAGES_IN_TRY = 2;

/** A node that tries a slot. */
interface Try {
  readonly from: PeerId;
  asked: number;
  answered: number;
}

/** A slot of a session. */
interface Slot<Owner> {
  readonly number: number;
  readonly owner: Owner;
  /** The time, in milliseconds. */
  readonly expires: number;
  readonly tries: Map<string, Try>;
}

type SlotLimits = Pick<
  RendezvousServerLimits,
  'codes' | 'codesPerHost' | 'codesPerSession' | 'codeMs' | 'triesPerCode' | 'triesPerMinute'
>;

/**
 * The slots of the sessions of one server: the numbers of codes, at which two nodes meet that do not know each other yet. When all are taken,
 * the newest of the site that has most gives way to a site that has less.
 */
export class Slots<Owner extends SlotOwner> {
  /** Whether a site may say one more message at any slot. */
  readonly mayTry: (site: string) => boolean;

  readonly #limits: SlotLimits;
  readonly #now: () => number;
  readonly #slots = new ByAge<number, Slot<Owner>>();
  readonly #ofOwner = new Map<Owner, Set<number>>();
  readonly #room: Admission<number>;

  /** @param now the time, in milliseconds. */
  constructor(limits: SlotLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
    this.#room = new Admission({ most: limits.codes, mostOfSite: limits.codesPerHost });
    const burst = MESSAGES_IN_TRY * limits.triesPerMinute;
    this.mayTry = siteBuckets({ perSecond: burst / 60, burst, now });
  }

  /** How many there are. */
  get size(): number {
    this.#forgetExpired();
    return this.#slots.size;
  }

  /** Gives a slot to a session, anew where another of the same node has it. Tells why not, where there is no room. */
  open(number: number, owner: Owner): 'too-many' | 'table-full' | undefined {
    this.#forgetExpired();
    this.#forget(number);
    const own = this.#ofOwner.get(owner) ?? new Set();
    if (own.size >= this.#limits.codesPerSession) return 'too-many';
    const refusal = this.#room.refusalOf(owner.site);
    if (refusal !== undefined) return refusal === 'full' ? 'table-full' : 'too-many';
    const { gaveWay } = this.#room.admit(owner.site, number);
    if (gaveWay !== undefined) {
      const loser = this.#slots.get(gaveWay)?.owner;
      this.#forget(gaveWay);
      loser?.lostSlot(gaveWay);
    }
    this.#slots.add(number, { number, owner, expires: this.#now() + this.#limits.codeMs, tries: new Map() });
    this.#ofOwner.set(owner, own.add(number));
    return undefined;
  }

  /** Whether a session has a slot. */
  has(number: number, owner: Owner): boolean {
    return this.#of(number, owner) !== undefined;
  }

  /** A session gives a slot back. Returns whether it had it. */
  close(number: number, owner: Owner): boolean {
    if (this.#of(number, owner) === undefined) return false;
    this.#forget(number);
    return true;
  }

  /** A session is over: returns the slots that it had. */
  leave(owner: Owner): readonly number[] {
    const all = [...(this.#ofOwner.get(owner) ?? [])];
    for (const number of all) this.#forget(number);
    return all;
  }

  /** Counts a message from a node that tries a slot of a session. Returns whether it may be passed on. */
  asks(number: number, owner: Owner, id: string, from: PeerId): boolean {
    const slot = this.#of(number, owner);
    if (slot === undefined) return false;
    const known = slot.tries.get(id);
    if (known === undefined) {
      if (slot.tries.size >= this.#limits.triesPerCode) return false;
      slot.tries.set(id, { from, asked: 1, answered: 0 });
      return true;
    }
    // A try is the node's that has begun it.
    if (known.from !== from || known.asked >= MESSAGES_IN_TRY) return false;
    known.asked++;
    return true;
  }

  /** Counts an answer to a try at a slot of a session. Returns who is to get it: nobody, where no answer is due. */
  answers(number: number, owner: Owner, id: string): PeerId | undefined {
    const known = this.#of(number, owner)?.tries.get(id);
    if (known === undefined || known.answered >= MESSAGES_IN_TRY) return undefined;
    known.answered++;
    return known.from;
  }

  #of(number: number, owner: Owner): Slot<Owner> | undefined {
    const slot = this.#slots.get(number);
    return slot?.owner === owner && slot.expires > this.#now() ? slot : undefined;
  }

  #forget(number: number): void {
    const slot = this.#slots.get(number);
    if (slot === undefined) return;
    const { owner } = slot;
    this.#slots.delete(number);
    this.#room.leave(owner.site, number);
    const own = this.#ofOwner.get(owner);
    own?.delete(number);
    if (own?.size === 0) this.#ofOwner.delete(owner);
  }

  /** All are kept for as long, so that the oldest is the first to expire. */
  #forgetExpired(): void {
    for (let { oldest } = this.#slots; oldest !== undefined; oldest = this.#slots.oldest) {
      if (oldest.value.expires > this.#now()) return;
      this.#forget(oldest.key);
    }
  }
}
