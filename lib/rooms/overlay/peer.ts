import type { PeerId } from '../../identity.js';
import type { Member } from '../machine.js';
import type { PeerLimits } from './limits.js';

/**
 * How far it is with a peer: it is dialled (`dialling`), it has been asked to become a neighbour (`asked`), it has opened a channel and not
 * said what for (`waiting`), or it is a neighbour (`active`).
 */
export type PeerState = 'dialling' | 'asked' | 'waiting' | 'active';

/** Why a peer is dialled: a place is free (`fill`), or to mix with others (`mix`). */
export type Purpose = 'fill' | 'mix';

/** Shuffles of others that went on to one neighbour and may still be answered: an answer takes a few round trips. */
const MAX_WALKS = 16;

/** A peer with a channel, or one that is to have one. */
export class Peer {
  state: PeerState;
  /** When it came to be in this state, in milliseconds. */
  since: number;
  /** Whether this node has chosen it. Otherwise it has dialled this node. */
  readonly wasDialled: boolean;
  /** What it is counted by where places are shared, once there is a channel. */
  site = '';
  /** Whether far more came of it than is read. */
  isFlooding = false;
  /** Whether its join has been passed on. */
  hasJoined = false;
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
    readonly limits: PeerLimits,
  ) {
    this.state = state;
    this.wasDialled = state === 'dialling';
    this.since = now;
  }

  become(state: PeerState, now: number): void {
    this.state = state;
    this.since = now;
  }

  /** Whether one more of its messages is read. Shuffles have a rate of their own: one too many is left out, and is no fault of the peer. */
  mayReceive(isShuffle: boolean): boolean {
    const { receive, exceed, shuffle } = this.limits;
    if (receive.take()) return !isShuffle || shuffle.take();
    if (!exceed.take()) this.isFlooding = true;
    return false;
  }

  /** Whether one more join of somebody else is sent on to it. */
  mayWalkOn(): boolean {
    return this.limits.walk.take();
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
