import { Queue } from '../bounds/queue.js';
import type { Channel } from '../link/channel.js';
import type { Frame } from '../link/frames.js';

/** One link of a connection, and what is known of it. */
export class TransportLink {
  /** Where in the peer's stream its next data are; unknown until the peer has said so. */
  at: number | undefined;
  /** What has come too early, or finds no room. */
  readonly held = new Queue<Frame>();
  /** What comes is of no use until the peer says anew where it begins. */
  isStale = false;
  /** The peer sends nothing more here. */
  hasPeerLeft = false;
  /** This side sends nothing more here. */
  isLeft = false;
  /** This side has sent on it. */
  isUsed = false;
  /** The latest choice of the controlling side that was this link. */
  choice: number | undefined;

  /**
   * @param isMet whether the peer has said hello on it.
   */
  constructor(
    readonly channel: Channel,
    public isMet: boolean,
  ) {
    // A plain link has no way to say where data begin: it is the only one.
    if (!channel.framed) this.at = 0;
  }

  /** Whether what comes next can be taken where so much has come, in bytes. */
  isInOrder(received: number): boolean {
    return this.at === undefined || this.at <= received;
  }

  /** Whether what comes next is behind something that has not come. */
  isEarly(received: number): boolean {
    return !this.isStale && !this.isInOrder(received);
  }

  /** Whether what is missing may come by this link. */
  mayBring(received: number): boolean {
    return !this.hasPeerLeft && !this.isStale && this.isInOrder(received);
  }

  /** Holds a frame back, with all that comes behind it. */
  hold(frame: Frame): void {
    this.held.push(frame);
    this.channel.setFlowing(false);
  }
}
