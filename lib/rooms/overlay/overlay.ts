import { TokenBucket } from '../../bounds/rate-limit.js';
import type { PeerId } from '../../identity.js';
import type { Member, Random } from '../machine.js';
import { Connections } from './connections.js';
import type { Overlay, OverlayConfig, OverlayInput, OverlayOutput } from './interface.js';
import { MAX_MEMBERS, MAX_TTL, NONCES, type ForwardJoin, type OverlayMessage, type Shuffle } from './messages.js';
import { DISCOVERY } from './passive-view.js';
import type { Peer } from './peer.js';

/** In milliseconds: each costs the room some KiB, and views need to be no fresher than members come and go. */
const SHUFFLE_MS = 60_000;
/** As long as the passive view is not half full, it asks so many times as often. */
const EAGER_SHUFFLES = 4;

/** Steps that are left of a walking join where it is put into a passive view (PRWL of HyParView §5.1), and of a shuffle at first. */
const PASSIVE_TTL = 3;
/** Members of each view that a shuffle brings (k_a and k_p of HyParView §5.1). */
const SHUFFLED_ACTIVE = 3;
const SHUFFLED_PASSIVE = 4;

/** Joins that are passed on, in all: each costs the room up to fifty messages. */
const JOIN = { perSecond: 5, burst: 100 };

/** With all places taken, a member that discovery has found is dialled so often, in milliseconds, so that no two halves stay apart. */
const MIX_MS = 300_000;

/**
 * Makes the overlay of one member: HyParView (Leitão, Pereira, Rodrigues, DSN 2007) as a pure state machine. Neighbours (the active view)
 * are connections; a larger passive view has others to turn to when one of them goes, and is kept fresh by shuffles.
 *
 * It differs from the paper where connections are dear and strangers hostile: whoever is a neighbour has been dialled by one side and has
 * agreed; only now and then is somebody put out for others; what a neighbour brings takes its share of the passive view and no more; a
 * shuffle is answered along its way instead of by a new connection; a node that can be dialled takes more neighbours than one that cannot.
 *
 * @param config this node, chance, and sizes and times.
 *
 * @example
 * const overlay = createOverlay({ self: { id: 'me', unl: '…', dialable: true }, random: Math.random });
 * const [dial] = overlay.handle({ type: 'found', members: [{ id: 'you', unl: '…', dialable: true }] }, 0);
 * dial?.type; // 'dial'
 */
export function createOverlay(config: OverlayConfig): Overlay {
  return new HyParView(config);
}

class HyParView implements Overlay {
  readonly #random: Random;
  readonly #shuffleMs: number;
  readonly #connections: Connections;
  readonly #mayForwardJoin: TokenBucket;
  #shuffleAt: number | undefined;
  #mixAt = -Infinity;
  #wakeAt = Infinity;
  #hasLeft = false;

  constructor(config: OverlayConfig) {
    this.#random = config.random;
    this.#shuffleMs = config.options?.shuffleMs ?? SHUFFLE_MS;
    this.#connections = new Connections(config);
    this.#mayForwardJoin = new TokenBucket({ now: () => this.#connections.now, ...JOIN });
  }

  get neighbours(): readonly Member[] {
    return this.#connections.peers.active.map(({ member }) => member);
  }

  get known(): readonly Member[] {
    return this.#connections.passive.entries.map(({ member }) => member);
  }

  get wakeAt(): number | undefined {
    return this.#wakeAt === Infinity ? undefined : this.#wakeAt;
  }

  handle(input: OverlayInput, now: number): readonly OverlayOutput[] {
    if (this.#hasLeft) return [];
    this.#connections.now = now;
    this.#apply(input);
    this.#wakeAt = input.type === 'leave' ? Infinity : Math.min(this.#connections.lookAround(), this.#shuffleIfDue());
    return this.#connections.take();
  }

  #apply(input: OverlayInput): void {
    switch (input.type) {
      case 'received':
        this.#received(input.from, input.message);
        break;
      case 'found':
        this.#found(input.members);
        break;
      case 'opened':
        this.#connections.opened(input.member, input.site ?? input.member.id);
        break;
      case 'failed':
        this.#connections.failed(input.id);
        break;
      case 'closed':
        this.#connections.closed(input.id);
        break;
      case 'suspect':
        this.#connections.shun(input.id);
        break;
      case 'moved':
        this.#connections.self = input.self;
        // The others are to hear of it soon.
        if (this.#shuffleAt !== undefined) this.#shuffleAt = this.#connections.now;
        break;
      case 'leave':
        this.#connections.leave();
        this.#hasLeft = true;
        break;
      case 'wake':
        break;
    }
  }

  #found(members: readonly Member[]): void {
    const { passive, now } = this.#connections;
    let stranger: Member | undefined;
    for (const member of members) {
      if (!this.#connections.isNew(member.id)) continue;
      if (!passive.has(member.id)) stranger = member;
      passive.add(member, DISCOVERY);
    }
    if (stranger === undefined || !this.#connections.isWhole || now < this.#mixAt) return;
    this.#mixAt = now + MIX_MS;
    this.#connections.dial(stranger, 'mix');
  }

  #received(from: PeerId, message: OverlayMessage): void {
    const peer = this.#connections.peers.get(from);
    if (peer === undefined || peer.state === 'dialling') return;
    if (!peer.mayReceive(message.type === 'shuffle')) {
      if (peer.isFlooding) this.#connections.shun(from);
      return;
    }
    switch (message.type) {
      case 'join':
        this.#joined(peer);
        break;
      case 'neighbour':
        this.#connections.askedBy(peer, message.priority === 'high');
        break;
      case 'neighbour-answer':
        this.#connections.answered(peer, message.accepted, message.members);
        break;
      case 'disconnect':
        this.#connections.disconnected(peer, message.leaving);
        break;
      case 'forward-join':
        if (peer.state === 'active') this.#forwardJoin(peer, message);
        break;
      case 'shuffle':
        if (peer.state === 'active') this.#shuffled(peer, message);
        break;
      case 'shuffle-answer':
        this.#shuffleAnswered(peer, message.nonce, message.members);
        break;
    }
  }

  #joined(peer: Peer): void {
    if (peer.hasJoined) return;
    peer.hasJoined = true;
    if (this.#mayForwardJoin.take()) {
      for (const neighbour of this.#connections.peers.active) {
        if (neighbour === peer || !neighbour.mayWalkOn()) continue;
        this.#connections.send(neighbour, { type: 'forward-join', member: peer.member, ttl: MAX_TTL });
      }
    }
    this.#connections.askedBy(peer, true);
  }

  /**
   * HyParView, algorithm 1: the walk ends where it has no steps left, or no way on. Who hears of the newcomer there dials it only if it looks for a
   * neighbour, as it dials any that it knows: others would put somebody out, who needs another then.
   */
  #forwardJoin(from: Peer, { member, ttl }: ForwardJoin): void {
    const next = ttl <= 0 ? undefined : this.#connections.peers.any(from, member.id);
    if (next?.mayWalkOn() !== true) {
      this.#connections.learn([member], from.member.id);
      return;
    }
    if (ttl === PASSIVE_TTL) this.#connections.learn([member], from.member.id);
    this.#connections.send(next, { type: 'forward-join', member, ttl: Math.min(ttl, MAX_TTL) - 1 });
  }

  /** Due now and then. Returns when it will be next. */
  #shuffleIfDue(): number {
    const { peers, now } = this.#connections;
    if (this.#shuffleAt === undefined && peers.active.length === 0) return Infinity;
    if (this.#shuffleAt !== undefined && this.#shuffleAt <= now) this.#shuffle();
    else if (this.#shuffleAt !== undefined) return this.#shuffleAt;
    this.#shuffleAt = this.#nextShuffleAt();
    return this.#shuffleAt;
  }

  /** HyParView §4.4: gives a sample of what it knows to somebody at the end of a random walk, and gets one of its. */
  #shuffle(): void {
    const { peers, passive, self } = this.#connections;
    const next = peers.any();
    if (next === undefined) return;
    const nonce = Math.floor(this.#random() * NONCES);
    const members: Member[] = [self];
    peers.sampleInto(members, 1 + SHUFFLED_ACTIVE, next.member.id);
    passive.sampleInto(members, SHUFFLED_PASSIVE, next.member.id);
    next.remember(nonce, self.id);
    this.#connections.send(next, { type: 'shuffle', nonce, ttl: PASSIVE_TTL, members });
  }

  #nextShuffleAt(): number {
    const { passive, now } = this.#connections;
    const isEager = 2 * passive.size < passive.capacity;
    const ms = isEager ? this.#shuffleMs / EAGER_SHUFFLES : this.#shuffleMs;
    return now + ms * (0.75 + 0.5 * this.#random());
  }

  #shuffled(from: Peer, { nonce, ttl, members }: Shuffle): void {
    const { peers, passive } = this.#connections;
    const next = ttl <= 1 ? undefined : peers.any(from);
    if (next !== undefined) {
      next.remember(nonce, from.member.id);
      this.#connections.send(next, { type: 'shuffle', nonce, ttl: Math.min(ttl, MAX_TTL) - 1, members });
      return;
    }
    const own: Member[] = [];
    passive.sampleInto(own, Math.min(members.length, MAX_MEMBERS), from.member.id);
    this.#connections.send(from, { type: 'shuffle-answer', nonce, members: own });
    this.#connections.learn(members, from.member.id);
  }

  /** An answer goes back by the way that the shuffle has come. */
  #shuffleAnswered(peer: Peer, nonce: number, members: readonly Member[]): void {
    const from = peer.recall(nonce);
    if (from === undefined) return;
    const { peers, self } = this.#connections;
    if (from === self.id) {
      this.#connections.learn(members, peer.member.id);
      return;
    }
    const back = peers.get(from);
    if (back?.state === 'active') this.#connections.send(back, { type: 'shuffle-answer', nonce, members });
  }
}
