/** A message on its way through the room. The broadcast does not look into its bytes. */
export interface Carried {
  /** Made from its author, the author's stream and the number in it. */
  readonly id: string;
  readonly bytes: Uint8Array;
  /** Whether newcomers are given it as history. */
  readonly isKept: boolean;
}

/** A message is pushed up to this size, in bytes; a larger one is only announced, and fetched once by each node. */
export const MAX_PUSHED_BYTES = 65_536;

/** Messages that one `announce` or `graft` names at most. */
export const MAX_IDS = 128;

/** Hops that a message can have made, as others say: more are taken for this many. */
export const MAX_ROUND = 255;

/** Messages that a newcomer is given of what came before it. */
export const MAX_HISTORY = 64;

/** A message in full: along the tree, or because it was asked for by {@link Graft}. */
export interface Gossip {
  readonly type: 'gossip';
  readonly message: Carried;
  /** Hops that it has made on the way to the receiver: 1 from its author. At most {@link MAX_ROUND}. */
  readonly round: number;
}

/** One of {@link Announce}. */
export interface Announced {
  readonly id: string;
  /** Hops that it would have made if it came to the receiver by this way. */
  readonly round: number;
  /** Its length in bytes: beyond {@link MAX_PUSHED_BYTES} nobody pushes it. */
  readonly length: number;
}

/** The sender has these messages. */
export interface Announce {
  readonly type: 'announce';
  /** {@link MAX_IDS} at most. */
  readonly announced: readonly Announced[];
}

/** Asks for messages that were announced, and to be pushed messages from now on. */
export interface Graft {
  readonly type: 'graft';
  /** {@link MAX_IDS} at most; none where the way is only to be a branch of the tree. */
  readonly ids: readonly string[];
  /** Whether the way is to be a branch of the tree from now on: large messages are fetched without that. */
  readonly isBranch: boolean;
}

/** Asks that messages are announced only from now on: the receiver's came by another way before. */
export interface Prune {
  readonly type: 'prune';
}

/** Asks a neighbour for the last messages of the room. It is answered by {@link Past}. */
export interface History {
  readonly type: 'history';
  /** From 1 to {@link MAX_HISTORY}. */
  readonly count: number;
}

/** One message of those that were asked for by {@link History}, the oldest first. */
export interface Past {
  readonly type: 'past';
  /** `undefined`: there is none. */
  readonly message: Carried | undefined;
  /** How many follow. */
  readonly left: number;
}

/** What neighbours say to each other to spread messages. */
export type BroadcastMessage = Gossip | Announce | Graft | Prune | History | Past;
