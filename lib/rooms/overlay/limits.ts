import { ByAge } from '../../bounds/by-age.js';
import { TokenBucket } from '../../bounds/rate-limit.js';
import type { PeerId } from '../../identity.js';

/** Messages of a peer. A hundred may join by this node's neighbour at once, and each walks on to this node. */
const RECEIVE = { perSecond: 2, burst: 200 };
/** What a peer may send beyond that before it is put out: more than comes of any that keeps to the rules. */
const EXCEED = { perSecond: 1, burst: 500 };
/** Joins that are sent on to a peer: fewer than it reads, since it reads other messages, too. */
const WALK = { perSecond: 1, burst: 100 };
/** Shuffles of a peer, its own and those that walk on by it: where few know each other each member starts four in a minute. */
const SHUFFLES = { perSecond: 0.25, burst: 10 };
/** Peers whose channels are gone and whose rates are remembered: another channel is no new beginning. */
const MAX_LIMITS = 64;

/** Neighbours that give way to others who need one more, in all: more would put this node into strangers' hands within seconds. */
export const EVICT = { perSecond: 1, burst: 2 };

/** How much of its rates a peer has used. A new channel of the same peer goes on with them. */
export class PeerLimits {
  /** What is taken of it. */
  readonly receive: TokenBucket;
  /** What it may send beyond that before it is put out. */
  readonly exceed: TokenBucket;
  readonly shuffle: TokenBucket;
  /** Joins of others that are sent on to it. */
  readonly walk: TokenBucket;

  constructor(now: () => number) {
    this.receive = new TokenBucket({ now, ...RECEIVE });
    this.exceed = new TokenBucket({ now, ...EXCEED });
    this.shuffle = new TokenBucket({ now, ...SHUFFLES });
    this.walk = new TokenBucket({ now, ...WALK });
  }
}

/** The rates of all peers, also of some whose channels are gone. */
export class Limits {
  readonly #gone = new ByAge<PeerId, PeerLimits>();

  constructor(readonly now: () => number) {}

  /** Those of a peer that comes, as it has left them. */
  of(id: PeerId): PeerLimits {
    return this.#gone.get(id) ?? new PeerLimits(this.now);
  }

  /** The channel of a peer is gone. */
  remember(id: PeerId, limits: PeerLimits): void {
    this.#gone.add(id, limits);
    this.#gone.keep(MAX_LIMITS);
  }
}
