import { TokenBucket, type TokenBucketConfig } from '../../bounds/rate-limit.js';
import type { PeerId } from '../../identity.js';
import type { Member } from '../machine.js';

/**
 * How far it is with a peer: it is dialled (`dialling`), it has been asked to become a neighbour (`asked`), it has opened a channel and not
 * said what for (`waiting`), or it is a neighbour (`active`).
 */
export type PeerState = 'dialling' | 'asked' | 'waiting' | 'active';

/** Why a peer is dialled: a place is free (`fill`), it has joined and needs neighbours (`welcome`), or to mix with others (`mix`). */
export type Purpose = 'fill' | 'welcome' | 'mix';

/** Shuffles of others that went on to one neighbour and may still be answered: an answer takes a few round trips. */
const MAX_WALKS = 16;

/** What is taken of one peer. */
export interface PeerRates {
  readonly receive: TokenBucketConfig;
  readonly shuffle: TokenBucketConfig;
  readonly bring: TokenBucketConfig;
}

/** A peer with a channel, or one that is to have one. */
export class Peer {
  state: PeerState;
  /** When it came to be in this state, in milliseconds. */
  since: number;
  /** How many of its messages came too fast. */
  excess = 0;
  /** Whether its join has been passed on. */
  hasJoined = false;
  readonly #mayReceive: TokenBucket;
  readonly #mayShuffle: TokenBucket;
  readonly #mayBring: TokenBucket;
  /** By their nonces, which of our neighbours the shuffles came from that were sent on to this one. */
  #walks: Map<number, PeerId> | undefined;

  constructor(
    public member: Member,
    /** Who has told of it. */
    readonly by: string,
    state: PeerState,
    now: number,
    readonly purpose: Purpose,
    readonly failures: number,
    rates: PeerRates,
  ) {
    this.state = state;
    this.since = now;
    this.#mayReceive = new TokenBucket(rates.receive);
    this.#mayShuffle = new TokenBucket(rates.shuffle);
    this.#mayBring = new TokenBucket(rates.bring);
  }

  become(state: PeerState, now: number): void {
    this.state = state;
    this.since = now;
  }

  /** Whether one more of its messages is read. */
  mayReceive(isShuffle: boolean): boolean {
    if (this.#mayReceive.take() && (!isShuffle || this.#mayShuffle.take())) return true;
    this.excess++;
    return false;
  }

  /** Whether one more member is dialled because it says so. */
  mayBring(): boolean {
    return this.#mayBring.take();
  }

  remember(nonce: number, from: PeerId): void {
    const walks = (this.#walks ??= new Map());
    if (walks.size >= MAX_WALKS) for (const oldest of walks.keys()) if (walks.delete(oldest)) break;
    walks.set(nonce, from);
  }

  /** Where the answer to a shuffle leads; each is answered once. */
  recall(nonce: number): PeerId | undefined {
    const from = this.#walks?.get(nonce);
    this.#walks?.delete(nonce);
    return from;
  }
}
