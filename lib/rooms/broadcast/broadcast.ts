import { ByAge } from '../../bounds/by-age.js';
import type { PeerId } from '../../identity.js';
import type { Random } from '../machine.js';
import { Announcing } from './announcing.js';
import { Checking, type Candidate } from './checking.js';
import type { Broadcast, BroadcastConfig, BroadcastInput, BroadcastOutput, Verdict } from './interface.js';
import { Kept } from './kept.js';
import {
  MAX_HISTORY,
  MAX_IDS,
  MAX_PUSHED_BYTES,
  MAX_ROUND,
  type Announced,
  type BroadcastMessage,
  type Carried,
  type Graft,
  type Past,
} from './messages.js';
import { MissingMessages, type Announcer } from './missing.js';
import { Neighbour } from './neighbour.js';

/** A way that saves so many hops takes the place of the one that a message has come by (Plumtree §3.8). */
const THRESHOLD = 3;
/** Messages that are known to have been here: minutes of a busy room. What comes again later is told by its number. */
const MAX_SEEN = 8_192;
/** Who has sent so many forged messages is suspect, and who has so often not sent what it had announced, with nothing new in between. */
const MAX_FAULTS = 3;
/** A neighbour that pushes what is here already is told so often, in milliseconds: what was on its way comes before it has heard. */
const PRUNE_MS = 1_000;
/** Neighbours that are asked for messages of before, as long as they have none. */
const HISTORY_TRIES = 3;

/**
 * Makes the broadcast of one member: Plumtree (Leitão, Pereira, Rodrigues, SRDS 2007) as a pure state machine. Messages are pushed along
 * the branches of a tree, and announced to all other neighbours. A neighbour that pushes what is here already becomes one that only
 * announces; one whose announced message does not come by the tree is asked for it, and becomes a branch. So the tree grows by itself, and
 * mends itself.
 *
 * It differs from the paper at the beginning: a new neighbour is no branch until a message was asked for by it, so that the first costs no more
 * copies than the next. And it differs where messages are large and strangers hostile: what the room has not accepted is neither passed on nor known,
 * so that nobody takes the place of a true message with a false one; large messages are announced only; a neighbour that announces and does
 * not deliver is told of; all tables are bounded, each neighbour's share by itself.
 *
 * @param config this node, chance, sizes and times.
 *
 * @example
 * const broadcast = createBroadcast({ own: 'me', random: Math.random });
 * broadcast.handle({ type: 'up', id: 'you' }, 0);
 * const message = { id: 'me 1', bytes: Buffer.from('hello'), isKept: true };
 * broadcast.handle({ type: 'publish', message }, 0).length; // 1
 */
export function createBroadcast(config: BroadcastConfig): Broadcast {
  return new Plumtree(config);
}

class Plumtree implements Broadcast {
  readonly #own: PeerId;
  readonly #random: Random;
  readonly #history: number;
  readonly #mostBytes: number;
  readonly #neighbours = new Map<PeerId, Neighbour>();
  readonly #seen = new ByAge<string, true>();
  readonly #kept = new Kept();
  readonly #missing: MissingMessages;
  readonly #announcing: Announcing;
  readonly #checking = new Checking();
  #historyTries = HISTORY_TRIES;
  /** A branch has gone, and no neighbour was there to take its place. */
  #hasLostBranch = false;
  /** What was said while nobody was there, and nobody has asked for: each new neighbour is told of it. */
  #unheard: Announced[] = [];
  #now = 0;
  #out: BroadcastOutput[] = [];

  constructor({ own, random, options }: BroadcastConfig) {
    this.#own = own;
    this.#random = random;
    this.#announcing = new Announcing(random);
    this.#history = Math.min(options?.history ?? 0, MAX_HISTORY);
    this.#mostBytes = options?.messageBytes ?? Infinity;
    this.#missing = new MissingMessages(options?.graftMs);
  }

  get wakeAt(): number | undefined {
    const wakeAt = Math.min(this.#announcing.wakeAt, this.#missing.wakeAt);
    return wakeAt === Infinity ? undefined : wakeAt;
  }

  handle(input: BroadcastInput, now: number): readonly BroadcastOutput[] {
    this.#now = now;
    switch (input.type) {
      case 'received': {
        const from = this.#neighbours.get(input.from);
        if (from !== undefined) this.#received(from, input.message);
        break;
      }
      case 'checked':
        this.#checked(input.id, input.from, input.verdict);
        break;
      case 'publish':
        this.#publish(input.message);
        break;
      case 'up':
        this.#up(input.id);
        break;
      case 'down':
        this.#down(input.id);
        break;
      case 'wake':
        break;
    }
    if (this.wakeAt !== undefined && this.wakeAt <= now) this.#lookAround();
    if (this.#out.length === 0) return NONE;
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #received(from: Neighbour, message: BroadcastMessage): void {
    switch (message.type) {
      case 'gossip':
        this.#gossip(from, message.message, Math.min(Math.max(message.round, 1), MAX_ROUND));
        break;
      case 'announce':
        from.hasWaited = false;
        for (let i = 0; i < message.announced.length && i < MAX_IDS; i++) {
          const announced = message.announced[i];
          // A false length would hold back for minutes a message that others have.
          if (announced === undefined || announced.length > this.#mostBytes) continue;
          if (!this.#seen.has(announced.id))
            this.#missing.announced(from, announced, this.#hasBranchBeside(from), this.#now);
          // It need not be told.
          else from.announcements.delete(announced.id);
        }
        break;
      case 'graft':
        this.#graft(from, message);
        break;
      case 'prune':
        from.isEager = false;
        break;
      case 'history':
        this.#giveHistory(from, message.count);
        break;
      case 'past':
        this.#past(from, message);
        break;
    }
  }

  #gossip(from: Neighbour, message: Carried, round: number): void {
    from.asked.delete(message.id);
    if (this.#seen.has(message.id)) {
      if (message.bytes.length <= MAX_PUSHED_BYTES) this.#prune(from);
      return;
    }
    this.#check({ from, message, round });
  }

  #check(candidate: Candidate): void {
    const { from, message, round } = candidate;
    if (this.#checking.add(candidate))
      this.#out.push({ type: 'check', from: from.id, message, isPast: round === PAST });
  }

  #checked(id: string, by: PeerId, verdict: Verdict): void {
    const checked = this.#checking.take(id, by);
    if (checked === undefined) return;
    const [{ from, message, round }, others] = checked;
    if (verdict === 'accept' || verdict === 'ignore') {
      this.#remember(id);
      if (verdict === 'accept') this.#accepted(from, message, round, others);
      else this.#missing.found(id, undefined, this.#now);
      return;
    }
    if (verdict === 'reject' && ++from.forged >= MAX_FAULTS) this.#suspect(from);
    this.#missing.notFrom(id, by, this.#now);
    // Another has sent under the same name, perhaps the true one.
    for (const other of others) this.#check(other);
  }

  #accepted(from: Neighbour, message: Carried, round: number, others: readonly Candidate[]): void {
    this.#kept.add(message, round);
    this.#out.push({ type: 'deliver', from: from.id, message, hops: round, isPast: round === PAST });
    const isPushed = message.bytes.length <= MAX_PUSHED_BYTES;
    const pushedBy = isPushed && round !== PAST ? from : undefined;
    const announcers = this.#missing.found(message.id, pushedBy, this.#now);
    if (round === PAST) return;
    if (from.failures > 0) from.failures--;
    if (isPushed) {
      // What was on its way when it was told to announce only makes it no branch: it pushes no longer.
      if (this.#isNeighbour(from) && !this.#hasJustPruned(from)) from.isEager = true;
      for (const other of others) if (other.round !== PAST) this.#prune(other.from);
    }
    const have = [from, ...others.map((other) => other.from), ...announcers.map(({ neighbour }) => neighbour)];
    this.#spread(message, round + 1, have);
    // Plumtree §3.8: the tree takes the shorter way from now on.
    const best = announcers.reduce<Announcer | undefined>(
      (a, b) => (a === undefined || b.round < a.round ? b : a),
      undefined,
    );
    if (!isPushed || best === undefined || best.neighbour === from || round - best.round < THRESHOLD) return;
    this.#growTo(best.neighbour);
    this.#prune(from);
  }

  #publish(message: Carried): void {
    if (this.#seen.has(message.id)) return;
    this.#remember(message.id);
    this.#kept.add(message, 0);
    this.#missing.found(message.id, undefined, this.#now);
    if (this.#neighbours.size === 0) this.#keepUnheard(message);
    // As long as it is in no tree, it joins that of one neighbour. The others hear of the message at once.
    if (!this.#hasBranchBeside(undefined)) {
      const branch = this.#anyOf([...this.#neighbours.values()]);
      if (branch !== undefined) branch.isEager = true;
    }
    this.#spread(message, 1);
  }

  #keepUnheard({ id, bytes, isKept }: Carried): void {
    if (!isKept) return;
    this.#unheard.push({ id, round: 1, length: bytes.length });
    this.#unheard = this.#unheard.slice(-MAX_HISTORY);
  }

  /** Pushes or announces a message to all neighbours, but for those that have it. */
  #spread(message: Carried, round: number, have: readonly Neighbour[] = []): void {
    const isPushed = message.bytes.length <= MAX_PUSHED_BYTES;
    let announced: Announced | undefined;
    for (const neighbour of this.#neighbours.values()) {
      if (have.includes(neighbour) || neighbour.asked.has(message.id)) continue;
      if (isPushed && neighbour.isEager) {
        this.#send(neighbour, { type: 'gossip', message, round: Math.min(round, MAX_ROUND) });
        continue;
      }
      announced ??= { id: message.id, round: Math.min(round, MAX_ROUND), length: message.bytes.length };
      neighbour.announcements.set(message.id, announced);
      if (neighbour.announcements.size >= MAX_IDS || !isPushed || !neighbour.hasHeard) this.#announce(neighbour);
      else this.#announcing.later(this.#now);
    }
  }

  #announce(neighbour: Neighbour): void {
    if (neighbour.announcements.size === 0) return;
    neighbour.hasHeard = true;
    neighbour.hasWaited = false;
    this.#send(neighbour, { type: 'announce', announced: [...neighbour.announcements.values()] });
    neighbour.announcements.clear();
  }

  #prune(neighbour: Neighbour): void {
    if (!this.#isNeighbour(neighbour) || this.#hasJustPruned(neighbour)) return;
    // The first copy was the last of a way that is none any longer.
    if (!this.#hasBranchBeside(neighbour)) {
      neighbour.isEager = true;
      return;
    }
    neighbour.isEager = false;
    neighbour.prunedAt = this.#now;
    this.#send(neighbour, { type: 'prune' });
  }

  #hasJustPruned({ prunedAt }: Neighbour): boolean {
    return prunedAt + PRUNE_MS > this.#now;
  }

  #graft(from: Neighbour, { ids, isBranch }: Graft): void {
    for (let i = 0; i < ids.length && i < MAX_IDS; i++) this.#resend(from, ids[i] ?? '');
    if (!isBranch) return;
    this.#mend(from);
    // Of what waits to be announced to it some has come by the way that it leaves: it asks for the rest.
    this.#announce(from);
  }

  #resend(to: Neighbour, id: string): void {
    const kept = this.#kept.get(id);
    if (kept === undefined || !to.mayResend(kept.message.bytes.length)) return;
    to.announcements.delete(id);
    if (this.#unheard.length > 0) this.#unheard = this.#unheard.filter((announced) => announced.id !== id);
    this.#send(to, { type: 'gossip', message: kept.message, round: Math.min(kept.round + 1, MAX_ROUND) });
  }

  #up(id: PeerId): void {
    this.#down(id);
    const neighbour = new Neighbour(id, this.#own > id, () => this.#now);
    this.#neighbours.set(id, neighbour);
    // Another branch may have come by a message that was asked for meanwhile.
    if (this.#hasLostBranch && !this.#hasBranchBeside(neighbour)) this.#growTo(neighbour);
    this.#hasLostBranch = false;
    for (const announced of this.#unheard) neighbour.announcements.set(announced.id, announced);
    this.#announce(neighbour);
    this.#askHistory(neighbour);
  }

  #down(id: PeerId): void {
    const gone = this.#neighbours.get(id);
    if (gone === undefined) return;
    this.#neighbours.delete(id);
    this.#missing.lost(id);
    if (!gone.isEager) return;
    // It may have been the way to all others: what waits for the next announcement comes late.
    const next = this.#anyOf([...this.#neighbours.values()].filter(({ isEager }) => !isEager));
    if (next === undefined) this.#hasLostBranch = true;
    else this.#growTo(next);
  }

  /** A neighbour becomes a branch of the tree, which has changed: announcements are of use soon. */
  #mend(neighbour: Neighbour): void {
    neighbour.isEager = true;
    neighbour.prunedAt = -Infinity;
    this.#announcing.hasten();
  }

  #growTo(neighbour: Neighbour): void {
    this.#mend(neighbour);
    this.#send(neighbour, { type: 'graft', ids: [], isBranch: true });
  }

  #anyOf(neighbours: readonly Neighbour[]): Neighbour | undefined {
    return neighbours[Math.floor(this.#random() * neighbours.length)];
  }

  /** Whether a neighbour pushes what it has, other than this one. */
  #hasBranchBeside(one: Neighbour | undefined): boolean {
    for (const neighbour of this.#neighbours.values()) if (neighbour.isEager && neighbour !== one) return true;
    return false;
  }

  #askHistory(neighbour: Neighbour): void {
    if (this.#history === 0 || this.#historyTries === 0) return;
    this.#historyTries--;
    neighbour.pastLeft = this.#history;
    this.#send(neighbour, { type: 'history', count: this.#history });
  }

  #giveHistory(to: Neighbour, count: number): void {
    if (to.hasHistory) return;
    to.hasHistory = true;
    const messages = this.#kept.last(Math.max(1, count));
    if (messages.length === 0) this.#send(to, { type: 'past', message: undefined, left: 0 });
    for (const [i, message] of messages.entries())
      this.#send(to, { type: 'past', message, left: messages.length - 1 - i });
  }

  #past(from: Neighbour, { message, left }: Past): void {
    if (from.pastLeft === 0) return;
    from.pastLeft = Math.min(from.pastLeft - 1, left);
    if (message === undefined) return;
    // Somebody had some: nobody else is asked.
    this.#historyTries = 0;
    if (!this.#seen.has(message.id)) this.#check({ from, message, round: PAST });
  }

  #suspect(neighbour: Neighbour): void {
    if (!this.#isNeighbour(neighbour)) return;
    neighbour.failures = 0;
    neighbour.forged = 0;
    this.#out.push({ type: 'suspect', id: neighbour.id });
  }

  #lookAround(): void {
    for (const neighbour of this.#announcing.due(this.#neighbours.values(), this.#now)) this.#announce(neighbour);
    for (const { neighbour, ids, isBranch } of this.#missing.due(this.#now)) {
      if (isBranch) this.#mend(neighbour);
      this.#send(neighbour, { type: 'graft', ids, isBranch });
    }
    for (const neighbour of this.#missing.failed(this.#neighbours.values(), this.#now))
      if (++neighbour.failures >= MAX_FAULTS) this.#suspect(neighbour);
  }

  #remember(id: string): void {
    this.#seen.add(id, true);
    this.#seen.keep(MAX_SEEN);
  }

  #isNeighbour(neighbour: Neighbour): boolean {
    return this.#neighbours.get(neighbour.id) === neighbour;
  }

  #send(to: Neighbour, message: BroadcastMessage): void {
    this.#out.push({ type: 'send', to: to.id, message });
  }
}

/** The round of a message of before this node came. */
const PAST = 0;

const NONE: readonly BroadcastOutput[] = [];
