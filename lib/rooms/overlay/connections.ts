import { TokenBucket } from '../../bounds/rate-limit.js';
import type { PeerId } from '../../identity.js';
import type { Member } from '../machine.js';
import type { OverlayConfig, OverlayOutput } from './interface.js';
import { EVICT, Limits } from './limits.js';
import { MAX_MEMBERS, type OverlayMessage } from './messages.js';
import { DISCOVERY, PassiveView, STRANGERS } from './passive-view.js';
import { Peer, type Purpose } from './peer.js';
import { Peers } from './peers.js';
import { Shunned } from './shunned.js';
import { ofGreediest } from './sites.js';

/** HyParView §5.1: log10(10,000) + 1, and six times as many. */
const ACTIVE_VIEW = 5;
const PASSIVE_VIEW = 30;

/**
 * Neighbours beyond those that it looks for: without free places nobody would be taken in before somebody is put out, and where many come at once
 * the last of them would ask many in vain, each by a connection of its own.
 */
const MORE = 2;
/** A node that can be dialled takes so many more of those that cannot, since these may not reach each other. */
const MORE_UNDIALABLE = 3;

/** A peer that has been asked, or has not said what it wants, is given so long, in milliseconds: several round trips by a relay. */
const ANSWER_MS = 10_000;
/** A dial that has told nothing for so long, in milliseconds, is given up: every technique has been tried by then. */
const DIAL_MS = 60_000;
/** A dial that takes longer than this, in milliseconds, is not waited for with the next: two dozen round trips. */
const PATIENCE_MS = 2_000;
/** Dials at once: each may be several sockets. */
const MAX_DIALS = 8;
/** Dials at once of a node that has never had a neighbour: one that is reached has others know of it, and one may be gone. */
const FIRST_DIALS = 2;
/** For so long, in milliseconds, those are waited for who hear of a join: they dial if they look for a neighbour. */
const WELCOME_MS = 1_000;
/** Channels that were opened by others who have not yet become neighbours. */
const MAX_WAITING = 32;

/** Who has been refused so often, one time after the other, asks for somebody to give way: the room has hardly a place left. */
const REFUSALS = 2;
/** Who has refused is not asked again for so long, in milliseconds. */
const REFUSED_MS = 10_000;
/** Where few others are known, one that could not be dialled, or has gone, is tried again after so long, in milliseconds, and so often. */
const RETRY_MS = 5_000;
const RETRIES = 3;

/** The channels of a member, and the views that they are chosen from: who is dialled, who becomes a neighbour, and who gives way. */
export class Connections {
  readonly peers: Peers;
  readonly passive: PassiveView;
  now = 0;
  self: Member;
  readonly #target: number;
  readonly #shunned = new Shunned();
  readonly #limits: Limits;
  readonly #mayEvict: TokenBucket;
  #out: OverlayOutput[] = [];
  /** Whether it has ever had a neighbour. */
  #hasBeenIn = false;
  /** Until then others come by themselves, since it has joined. */
  #welcomeUntil = -Infinity;
  /** How often others have refused, one after the other. */
  #refusals = 0;
  /** The last dial has failed: those who can be dialled are tried first, and more at once. */
  #lastFailed = false;

  constructor({ self, random, options }: OverlayConfig) {
    this.self = self;
    this.#target = options?.activeView ?? ACTIVE_VIEW;
    this.peers = new Peers(random);
    this.passive = new PassiveView(options?.passiveView ?? PASSIVE_VIEW, random);
    const now = () => this.now;
    this.#limits = new Limits(now);
    this.#mayEvict = new TokenBucket({ now, ...EVICT });
  }

  /** What is to be done since it was last asked. */
  take(): readonly OverlayOutput[] {
    if (this.#out.length === 0) return NONE;
    const out = this.#out;
    this.#out = [];
    return out;
  }

  send(peer: Peer, message: OverlayMessage): void {
    this.#out.push({ type: 'send', to: peer.member.id, message });
  }

  /** Whether all places are taken that it looks for somebody for. */
  get isWhole(): boolean {
    return this.peers.active.length >= this.#target;
  }

  /** Whether this could become a neighbour: not this node itself, nobody whom it speaks to already, nobody who is kept out. */
  isNew(id: PeerId): boolean {
    return id !== this.self.id && !this.peers.has(id) && !this.#shunned.has(id, this.now);
  }

  /** Takes members into the passive view. */
  learn(members: readonly Member[], by: string): void {
    for (let i = 0; i < members.length && i < MAX_MEMBERS; i++) {
      const member = members[i];
      if (member !== undefined && this.isNew(member.id)) this.passive.add(member, by);
    }
  }

  dial(member: Member, purpose: Purpose): void {
    const known = this.passive.take(member.id);
    const dialled = known?.member ?? member;
    const limits = this.#limits.of(dialled.id);
    this.peers.add(
      new Peer(dialled, known?.by ?? DISCOVERY, 'dialling', this.now, purpose, known?.failures ?? 0, limits),
    );
    this.#out.push({ type: 'dial', member: dialled });
  }

  opened(member: Member, site: string): void {
    const { id } = member;
    if (id === this.self.id || this.#shunned.has(id, this.now)) {
      this.#out.push({ type: 'close', id });
      return;
    }
    const peer = this.peers.get(id);
    if (peer?.state === 'dialling') {
      peer.member = member;
      peer.site = site;
      this.#lastFailed = false;
      this.#ask(peer);
      return;
    }
    // A channel in the place of an older one.
    if (peer !== undefined) this.#drop(peer);
    else this.passive.take(id);
    const waiting = this.peers.count('waiting') < MAX_WAITING ? [] : this.peers.all('waiting');
    const [oldest] = ofGreediest(waiting, site);
    if (oldest !== undefined) this.end(oldest);
    const newcomer = new Peer(member, peer?.by ?? STRANGERS, 'waiting', this.now, 'fill', 0, this.#limits.of(id));
    newcomer.site = site;
    this.peers.add(newcomer);
  }

  /** Asks a peer that has been dialled to become a neighbour. */
  #ask(peer: Peer): void {
    if (peer.purpose === 'fill' && this.isWhole) {
      this.end(peer);
      return;
    }
    const isAlone = this.peers.active.length === 0 && this.peers.count('asked') === 0;
    peer.become('asked', this.now);
    if (isAlone && !this.#hasBeenIn) {
      this.#welcomeUntil = this.now + WELCOME_MS;
      this.send(peer, { type: 'join' });
    } else this.send(peer, { type: 'neighbour', priority: isAlone || this.#refusals >= REFUSALS ? 'high' : 'low' });
  }

  /** A peer would be a neighbour: it is when there is a place, when somebody gives way to one who has none, or when both have asked. */
  askedBy(peer: Peer, isUrgent: boolean): void {
    if (peer.state === 'active') return;
    const isAccepted = peer.state === 'asked' || this.#hasPlaceFor(peer) || (isUrgent && this.#mayEvict.take());
    this.send(peer, {
      type: 'neighbour-answer',
      accepted: isAccepted,
      members: isAccepted ? [] : this.#sample(peer.member.id),
    });
    if (isAccepted) this.#accept(peer);
    // It closes the channel once it has read this.
    else peer.become('waiting', this.now);
  }

  answered(peer: Peer, isAccepted: boolean, members: readonly Member[]): void {
    if (peer.state !== 'asked') return;
    if (!isAccepted) {
      this.#refusals++;
      this.end(peer, REFUSED_MS);
      this.learn(members, peer.member.id);
    } else if (this.#hasPlaceFor(peer) || (peer.purpose !== 'fill' && this.#mayEvict.take())) this.#accept(peer);
    else this.#part(peer);
  }

  #accept(peer: Peer): void {
    const isMixing = peer.purpose === 'mix' && this.isWhole;
    const leaving = isMixing || !this.#hasPlaceFor(peer) ? this.#anyToPart(peer.site) : undefined;
    if (leaving !== undefined) this.#part(leaving);
    this.peers.activate(peer, this.now);
    this.#hasBeenIn = true;
    this.#refusals = 0;
    this.#out.push({ type: 'up', id: peer.member.id });
  }

  /**
   * A neighbour that gives way to one of a site: at random of the site that has most places. Anybody can dial this node, with as many keys as it
   * likes: half of the places stay with those that this node has dialled, and one site puts out no more than one of another's.
   */
  #anyToPart(site: string): Peer | undefined {
    const { active, random } = this.peers;
    const others = active.filter(({ wasDialled }) => !wasDialled);
    const choice = ofGreediest(2 * (active.length - others.length) > this.#target ? active : others, site);
    return choice[Math.floor(random() * choice.length)];
  }

  /** Tells a peer that it is no neighbour. */
  #part(peer: Peer): void {
    this.send(peer, { type: 'disconnect', leaving: false });
    this.end(peer, REFUSED_MS);
  }

  disconnected(peer: Peer, isLeaving: boolean): void {
    if (!isLeaving) {
      this.end(peer, REFUSED_MS);
      return;
    }
    this.#drop(peer);
    this.#out.push({ type: 'close', id: peer.member.id });
  }

  failed(id: PeerId): void {
    const peer = this.peers.get(id);
    if (peer?.state !== 'dialling') return;
    this.#lastFailed = true;
    this.#drop(peer);
    this.#retryLater(peer, peer.failures + 1);
  }

  closed(id: PeerId): void {
    const peer = this.peers.get(id);
    if (peer === undefined || peer.state === 'dialling') return;
    this.#drop(peer);
    this.#retryLater(peer, 1);
  }

  /** As long as few others are known, a member that does not answer is not forgotten at once: it may have lost its network for a while. */
  #retryLater(peer: Peer, failures: number): void {
    if (failures > RETRIES || 2 * this.passive.size >= this.passive.capacity) return;
    this.passive.add(peer.member, peer.by, { failures, restUntil: this.now + RETRY_MS * 2 ** (failures - 1) });
  }

  /** Ends what there is with a peer, and dials it again not before so many milliseconds from now. */
  end(peer: Peer, restMs = 0): void {
    this.#drop(peer);
    this.#out.push({ type: 'close', id: peer.member.id });
    this.passive.add(peer.member, peer.by, { failures: 0, restUntil: this.now + restMs });
  }

  #drop(peer: Peer): void {
    if (peer.state !== 'dialling') this.#limits.remember(peer.member.id, peer.limits);
    if (this.peers.delete(peer)) this.#out.push({ type: 'down', id: peer.member.id });
  }

  shun(id: PeerId): void {
    this.#shunned.add(id, this.now);
    this.passive.take(id);
    const peer = this.peers.get(id);
    if (peer === undefined) return;
    this.#drop(peer);
    if (peer.state !== 'dialling') this.#out.push({ type: 'close', id });
  }

  leave(): void {
    for (const peer of this.peers) {
      if (peer.state === 'dialling') continue;
      const { id } = peer.member;
      if (peer.state === 'active') this.send(peer, { type: 'disconnect', leaving: true });
      this.#out.push({ type: 'close', id });
      if (peer.state === 'active') this.#out.push({ type: 'down', id });
    }
    this.peers.clear();
  }

  /** Does what is due. Returns when something will be again; `Infinity`: never. */
  lookAround(): number {
    if (this.peers.hasOthers) this.#expire();
    const fillAt = this.isWhole ? Infinity : this.#fill();
    return this.peers.hasOthers ? Math.min(fillAt, this.#nextDeadline()) : fillAt;
  }

  /** Ends what has taken too long. */
  #expire(): void {
    for (const peer of this.peers) {
      if (peer.state === 'active' || deadlineOf(peer) > this.now) continue;
      if (peer.state === 'dialling') this.failed(peer.member.id);
      else this.end(peer, REFUSED_MS);
    }
  }

  #nextDeadline(): number {
    let next = Infinity;
    for (const peer of this.peers) {
      if (peer.state === 'active') continue;
      const isHoped = peer.state === 'dialling' && peer.since + PATIENCE_MS > this.now;
      next = Math.min(next, isHoped ? peer.since + PATIENCE_MS : deadlineOf(peer));
    }
    return next;
  }

  /** Dials others as long as neighbours are missing. Returns when there will be one to dial, if there is none now. */
  #fill(): number {
    const { length } = this.peers.active;
    if (length > 0 && this.now < this.#welcomeUntil) return this.#welcomeUntil;
    let missing = this.#hasBeenIn ? this.#target - length : Math.min(this.#target, FIRST_DIALS);
    // Where members have gone, many of those that it knows have.
    if (this.#lastFailed) missing *= 2;
    let dials = 0;
    for (const peer of this.peers) {
      if (peer.state === 'dialling') dials++;
      const isHoped = peer.state === 'asked' || (peer.state === 'dialling' && peer.since + PATIENCE_MS > this.now);
      if (isHoped) missing--;
    }
    for (; missing > 0 && dials < MAX_DIALS; missing--, dials++) {
      const entry = this.passive.pick(this.now, this.#lastFailed) ?? this.passive.pick(this.now, false);
      if (entry === undefined) return this.passive.nextAt ?? Infinity;
      this.dial(entry.member, 'fill');
    }
    return Infinity;
  }

  /** Some of those that it knows, for somebody else. */
  #sample(without: PeerId): readonly Member[] {
    const members: Member[] = [];
    this.peers.sampleInto(members, MAX_MEMBERS / 2, without);
    this.passive.sampleInto(members, MAX_MEMBERS - members.length, without);
    return members;
  }

  #hasPlaceFor({ member }: Peer): boolean {
    const more = this.self.dialable && !member.dialable ? MORE_UNDIALABLE : MORE;
    return this.peers.active.length < this.#target + more;
  }
}

/** When a peer that is no neighbour has taken too long. */
function deadlineOf({ state, since }: Peer): number {
  return since + (state === 'dialling' ? DIAL_MS : ANSWER_MS);
}

const NONE: readonly OverlayOutput[] = [];
