import type { Observable } from 'rxjs';
import type { PeerId } from '../identity.js';

/** What somebody has said in a room. */
export interface RoomMessage {
  /** Who said it: the key that has signed it. */
  readonly from: PeerId;
  /** The text; empty where it was published as bytes. */
  readonly text: string;
  /** The bytes as they were published; of a text its UTF-8. */
  readonly bytes: Buffer;
  /** Whether it was published as a text. */
  readonly isText: boolean;
  /** When it was said, by its author's clock, in milliseconds since the epoch. */
  readonly at: number;
  /** By how many hops it has come: 1 from a neighbour who said it. */
  readonly hops: number;
  /** Whether it was said before this node came: see {@link JoinOptions.history}. */
  readonly isPast: boolean;
}

/** Somebody who is in a room. */
export interface RoomMember {
  /** Who it is. */
  readonly peerId: PeerId;
  /** When this node first heard that it is there, in milliseconds since the epoch. */
  readonly since: number;
  /** When this node last heard so, in milliseconds since the epoch. */
  readonly heardAt: number;
}

/** A room that this node has joined: others who have joined it under the same name, and what they say. */
export interface Room {
  /** The name by which it was joined. */
  readonly name: string;

  /**
   * Who else is known to be there, at once and whenever that changes; this node is left out. Each member says now and then that it is still
   * there; one that has gone without a word is left out after a while.
   *
   * @example
   * room.members$.subscribe((members) => console.log(`${members.length} others are here`));
   */
  readonly members$: Observable<readonly RoomMember[]>;

  /**
   * What others say, each once. Hot: what comes while nobody subscribes is not kept, so subscribe at once.
   *
   * @example
   * room.messages$.subscribe(({ from, text }) => console.log(`${from}: ${text}`));
   */
  readonly messages$: Observable<RoomMessage>;

  /** The members to whom this node has a channel of the room, at once and whenever that changes. */
  readonly neighbours$: Observable<readonly PeerId[]>;

  /**
   * Says a text to everybody in the room. What is said while there is no neighbour is kept for the first that comes within five minutes: the last
   * 64 messages of it.
   *
   * @param text any text, in lines or not: at most `limits.messageBytes` bytes of UTF-8.
   * @returns whether it was said. `false`: this node has said more than `limits.messagesPerSecond` allow, so that others would drop it; or
   * it has left the room.
   * @throws InvalidMessageError (`INVALID_MESSAGE`) when it is too long, or not well-formed.
   *
   * @example
   * room.publish('1. e4');
   */
  publish(text: string): boolean;

  /**
   * Says bytes to everybody in the room. They may be changed as soon as this returns.
   *
   * @param bytes at most `limits.messageBytes`.
   * @returns as {@link publish}.
   * @throws InvalidMessageError (`INVALID_MESSAGE`) when they are too many.
   *
   * @example
   * room.publishBytes(Uint8Array.of(1, 2, 3));
   */
  publishBytes(bytes: Uint8Array): boolean;
}

/**
 * What an application says of a message before it is shown and passed on. `accept`: it is both. `ignore`: it is neither. `reject`: nor should
 * the neighbour have passed it on, who is left when that happens again: for rules that all members share.
 */
export type RoomVerdict = 'accept' | 'ignore' | 'reject';

/** Limits of a room. All members should have the same. */
export interface RoomLimits {
  /** The longest message, in bytes. Default: 65,536. */
  readonly messageBytes: number;
  /** How many messages of one author are taken, in a second. Ten times as many may come at once. Default: 20. */
  readonly messagesPerSecond: number;
  /** How many messages a neighbour may send in a second, of whatever kind. It has to wait when it sends more. Default: 1,000. */
  readonly neighbourPerSecond: number;
  /** How many members are known at most, and how many authors are remembered. Default: 1,000. */
  readonly members: number;
}

/** How to join a room. */
export interface JoinOptions {
  /**
   * A secret that all members share: who does not know it can neither find the room nor enter. Use a long one: servers by which members find each
   * other can try secrets, each at the cost of a fifth of a second of work. Default: the room is open to everybody who knows its name.
   */
  readonly secret?: string | undefined;
  /** How many of the last messages are asked of neighbours when this node comes, up to 64. Default: 0. */
  readonly history?: number | undefined;
  /** To how many members this node keeps a channel; more, up to three, where others can dial it. From 2 to 16. Default: 5. */
  readonly activeView?: number | undefined;
  /**
   * Whether messages of one author come in the order in which they were said. A message waits for an earlier one up to two seconds; if that one
   * comes later, it is left out. Default: false, as they come.
   */
  readonly ordered?: boolean | undefined;
  /**
   * Decides about each message before it is shown and passed on; nothing is for five seconds at most. A failure counts as `ignore`.
   *
   * @example
   * net.join$('chess-club', { validate: ({ text }) => (text.length < 100 ? 'accept' : 'ignore') }).subscribe();
   */
  readonly validate?: ((message: RoomMessage) => RoomVerdict | PromiseLike<RoomVerdict>) | undefined;
  /** Limits that differ from the defaults. */
  readonly limits?: Partial<RoomLimits> | undefined;
}
