import { siteBuckets, tokenBucket } from '../bounds/rate-limit.js';
import type { PeerId } from '../identity.js';
import type { Runtime } from '../runtime.js';
import { durationOf } from '../words.js';

/** Peers whose clocks are remembered. */
const MAX_PEERS = 1_000;

/** A peer is told the time once a minute at most: otherwise somebody who replays its old signals could have it told without end. */
const TOLD = { perSecond: 1 / 60, burst: 1, maxSites: MAX_PEERS };

/** The limit for all peers together. */
const ALL_TOLD = { perSecond: 1, burst: 10 };

/**
 * What peers' signals say of their clocks. A signal is signed with the time at which it was sent. A signal that is dropped for
 * its time shows how far the two clocks are apart, but not which of them is wrong. No clock is set by it.
 */
export class PeerClocks {
  readonly #aheadMs = new Map<PeerId, number>();
  readonly #mayTell: (peerId: PeerId) => boolean;
  readonly #mayTellAny: () => boolean;

  constructor({ scheduler }: Pick<Runtime, 'scheduler'>) {
    const now = () => scheduler.now();
    this.#mayTell = siteBuckets({ now, ...TOLD });
    this.#mayTellAny = tokenBucket({ now, ...ALL_TOLD });
  }

  /** A peer's clock is so far ahead of this node's, in milliseconds. */
  isAhead(peerId: PeerId, ms: number): void {
    this.#aheadMs.delete(peerId);
    this.#aheadMs.set(peerId, ms);
    const [oldest] = this.#aheadMs.keys();
    if (this.#aheadMs.size > MAX_PEERS && oldest !== undefined) this.#aheadMs.delete(oldest);
  }

  /** The two clocks agree. */
  agrees(peerId: PeerId): void {
    this.#aheadMs.delete(peerId);
  }

  /** Whether a peer may be told now which time it is here. */
  mayTell(peerId: PeerId): boolean {
    return this.#mayTell(peerId) && this.#mayTellAny();
  }

  /** How far the two clocks are apart, in words; `undefined` when nothing is known. */
  wordsOf(peerId: PeerId): string | undefined {
    const ms = this.#aheadMs.get(peerId);
    return ms === undefined
      ? undefined
      : `the peer's clock is ${durationOf(ms)} ${ms > 0 ? 'ahead of' : 'behind'} this node's: set the one that is wrong`;
  }
}
