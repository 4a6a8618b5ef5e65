import type { Member } from '../machine.js';

/** Members that one message names at most: in a shuffle the sender itself, 3 of its active and 4 of its passive view (HyParView §5.1). */
export const MAX_MEMBERS = 8;

/** How many steps a random walk takes at most: the walk of a join, in the paper's words ARWL (HyParView §5.1). */
export const MAX_TTL = 6;

/** A number that its sender draws for each shuffle is below this. */
export const NONCES = 2 ** 32;

/** The first message of a newcomer to the first member that it reaches: make me known. It is answered by a {@link NeighbourAnswer}. */
export interface Join {
  readonly type: 'join';
}

/** Somebody has joined: it walks from neighbour to neighbour, and where the walk ends it gets a neighbour. */
export interface ForwardJoin {
  readonly type: 'forward-join';
  readonly member: Member;
  /** Steps that are left, from 0 to {@link MAX_TTL}. */
  readonly ttl: number;
}

/** Asks to become a neighbour. */
export interface Neighbour {
  readonly type: 'neighbour';
  /** `high`: the sender has no other neighbour, or others have refused it, so that somebody else should give way. */
  readonly priority: 'high' | 'low';
}

/** The answer to {@link Join} and {@link Neighbour}. */
export interface NeighbourAnswer {
  readonly type: 'neighbour-answer';
  readonly accepted: boolean;
  /** Others whom the sender knows, {@link MAX_MEMBERS} at most, for one who was refused. */
  readonly members: readonly Member[];
}

/** The sender and the receiver are neighbours no longer. */
export interface Disconnect {
  readonly type: 'disconnect';
  /** The sender leaves the room: it is not to be dialled again. Otherwise it only has too many neighbours. */
  readonly leaving: boolean;
}

/** A sample of the members that its origin knows. It walks from neighbour to neighbour; where the walk ends it is answered. */
export interface Shuffle {
  readonly type: 'shuffle';
  /** Leads the answer back: an integer from 0 below {@link NONCES}. */
  readonly nonce: number;
  /** Steps that are left, from 0 to {@link MAX_TTL}. */
  readonly ttl: number;
  /** {@link MAX_MEMBERS} at most. */
  readonly members: readonly Member[];
}

/** The sample that is given in exchange. It goes back along the way of the {@link Shuffle}. */
export interface ShuffleAnswer {
  readonly type: 'shuffle-answer';
  readonly nonce: number;
  /** {@link MAX_MEMBERS} at most. */
  readonly members: readonly Member[];
}

/** What members say to each other to keep their views. */
export type OverlayMessage = Join | ForwardJoin | Neighbour | NeighbourAnswer | Disconnect | Shuffle | ShuffleAnswer;
