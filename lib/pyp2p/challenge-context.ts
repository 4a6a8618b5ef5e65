import type { Socket } from 'node:net';
import type { Observable, SchedulerLike } from 'rxjs';
import type { Link } from '../link/link.js';
import type { ChallengeTalk } from './dialect.js';
import type { UnlV2 } from './wire/unl-version-2.js';
import type { PunchContext } from '../techniques/punch/context.js';

/** What a node gives to its challenges. */
export interface ChallengeContext extends Pick<PunchContext, 'side$' | 'options' | 'punch$' | 'tell'> {
  /** The conversations with all servers to which there is a session; replays the latest. */
  readonly talks$: Observable<readonly ChallengeTalk[]>;
  /** The time of day in milliseconds since the epoch, by which the two nodes agree when to start. */
  readonly timeOfDay: () => number;
  readonly scheduler: SchedulerLike;
  /** Sends PyP2P's nonce on a socket that has opened. Only the side that asked does this; the other waits for it. */
  readonly greet: (socket: Socket) => void;
  /** Makes a link of the socket that the peer keeps, on which the nonce was sent. */
  readonly link: (socket: Socket, peer: UnlV2) => Link;
  /** Takes a socket on which PyP2P's nonce comes, and emits. Otherwise, and when unsubscribed from before, it closes the socket. */
  readonly receive$: (socket: Socket) => Observable<unknown>;
  /** Whether there is room for one more connection from an address. */
  readonly hasSlotFor: (address: string) => boolean;
}
