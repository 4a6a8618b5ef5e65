import type { SchedulerLike } from 'rxjs';
import { Queue } from '../../bounds/queue.js';
import type { FramedLink } from '../../link/framed-link.js';
import { FRAME, type Frame } from '../../link/frames.js';

/** Takes what a link brings. */
export interface LinkHandler {
  onFrame(link: TransportLink, frame: Frame): void;
  /** Some of what was written has gone to the system. */
  onWritten(link: TransportLink): void;
  /** The link is gone, with an error when it broke. */
  onClosed(link: TransportLink, error: Error | undefined): void;
}

/** A link that both sides have left gets this long to close by itself, in milliseconds. */
const RETIRE_MS = 5_000;

const NOTHING = Buffer.alloc(0);

/**
 * One link of a connection: all that is known of it, and all that is held for it: its framed link, and the frames that wait.
 * `leave` and `drop` let go of both.
 */
export class TransportLink {
  /** Where in the peer's stream the next data on this link are; unknown until the peer has said so. */
  at: number | undefined;
  /** The peer must say anew where its data begin; until then they are of no use. */
  isStale = false;
  /** This side has sent on it. */
  isUsed = false;
  /** The latest choice of the controlling side that was this link. */
  choice: number | undefined;
  /** Frames that came too early, or find no room. */
  readonly #held = new Queue<Frame>();
  #isLeft = false;
  #hasPeerLeft = false;

  /**
   * @param isMet whether the peer has said hello on it.
   */
  constructor(
    readonly framed: FramedLink,
    public isMet: boolean,
  ) {
    // A plain link cannot say where data begin; but it is the only one of its connection.
    if (!framed.hasControlFrames) this.at = 0;
  }

  /** This side sends nothing more here. */
  get isLeft(): boolean {
    return this.#isLeft;
  }

  /** The peer sends nothing more here. */
  get hasPeerLeft(): boolean {
    return this.#hasPeerLeft;
  }

  /** Whether frames are held back here. */
  get holds(): boolean {
    return this.#held.length > 0;
  }

  /** Begins to take what comes. */
  attach(handler: LinkHandler): void {
    this.framed.attach({
      frame: (frame) => {
        handler.onFrame(this, frame);
      },
      written: () => {
        handler.onWritten(this);
      },
      closed: (error) => {
        handler.onClosed(this, error);
      },
    });
    this.framed.setFlowing(true);
  }

  /** Calls back when the peer has not said hello within a time, in milliseconds. */
  expectHello(ms: number, scheduler: SchedulerLike, onMissing: () => void): void {
    this.framed.after(ms, scheduler, () => {
      if (!this.isMet) onMissing();
    });
  }

  /** Whether what comes next can be taken, where so many bytes of the stream have come. */
  isInOrder(received: number): boolean {
    return this.at === undefined || this.at <= received;
  }

  /** Whether what comes next is behind something that has not come. */
  isEarly(received: number): boolean {
    return !this.isStale && !this.isInOrder(received);
  }

  /** Whether what is missing may come by this link. */
  mayBring(received: number): boolean {
    return !this.#hasPeerLeft && !this.isStale && this.isInOrder(received);
  }

  /** Counts data as come. Returns those that are new, where so many bytes of the stream have come already. */
  advance(at: number, payload: Buffer, received: number): Buffer {
    this.at = at + payload.length;
    return payload.subarray(received - at);
  }

  /** Holds a frame back, with all that comes behind it. */
  hold(frame: Frame): void {
    this.#held.push(frame);
    this.framed.setFlowing(false);
  }

  /**
   * Hands out the frames that were held back, in order, and lets more come when none is left. Returns whether any was taken.
   *
   * @param take returns false for a frame that cannot be taken yet.
   */
  release(take: (link: TransportLink, frame: Frame) => boolean): boolean {
    let hasTaken = false;
    for (let frame = this.#held.next; frame !== undefined && take(this, frame); frame = this.#held.next) {
      this.#held.take();
      hasTaken = true;
    }
    if (!this.holds) this.framed.setFlowing(true);
    return hasTaken;
  }

  /** Takes all frames that were held back. */
  takeHeld(): Frame[] {
    return this.#held.takeAll();
  }

  /** The peer says that it sends nothing more here. */
  peerLeaves(): void {
    this.#hasPeerLeft = true;
  }

  /** Says that this side sends nothing more here. Closes the link once the peer has said so, too: returns whether it has. */
  leave(scheduler: SchedulerLike): boolean {
    if (!this.#isLeft) this.framed.write(FRAME.leave, NOTHING);
    this.#isLeft = true;
    if (this.#hasPeerLeft) this.framed.retire(RETIRE_MS, scheduler);
    return this.#hasPeerLeft;
  }

  /** Drops the link, with all that is still on its way. */
  drop(): void {
    this.framed.ignore();
    this.framed.destroy();
  }
}
