import type { SchedulerLike } from 'rxjs';
import { Queue } from '../../bounds/queue.js';
import type { FramedLink, Receiver } from '../../link/framed-link.js';
import { FRAME, type Frame } from '../../link/frames.js';

/** Receives from a link. */
export interface LinkHandler {
  onFrame(link: TransportLink, frame: Frame): void;
  /** Something has arrived, and its frames have been handled, or are held. */
  onHeard(link: TransportLink): void;
  /** So many bytes that were handed over at once have gone to the system. */
  onWritten(link: TransportLink, bytes: number): void;
  /** The link is gone, with an error when it broke. */
  onClosed(link: TransportLink, error: Error | undefined): void;
}

/** How long a link that both sides have left may take to close by itself, in milliseconds. */
const RETIRE_MS = 5_000;

const NOTHING = Buffer.alloc(0);

/**
 * One link of a connection, with its state and the frames that are held back on it. `leave` and `drop` release both the link and the
 * frames.
 */
export class TransportLink implements Receiver {
  /** The offset in the peer's stream of the next data on this link; `undefined` until the peer's `at` frame tells it. */
  at: number | undefined;
  /** Data on this link are dropped until the peer's next `at` frame. */
  isStale = false;
  /** This side has sent on it. */
  isUsed = false;
  /** The number of the latest choice of the controlling side for this link. */
  choice: number | undefined;
  /** Frames that came too early, or for which there is no room. */
  #held: Queue<Frame> | undefined;
  #handler: LinkHandler | undefined;
  #isLeft = false;
  #hasPeerLeft = false;

  /**
   * @param isMet whether the peer has said hello on it.
   */
  constructor(
    readonly framed: FramedLink,
    public isMet: boolean,
  ) {
    // A plain link has no `at` frames, but it is the only link of its connection.
    if (!framed.hasControlFrames) this.at = 0;
  }

  /** Whether this side sends nothing more on it. */
  get isLeft(): boolean {
    return this.#isLeft;
  }

  /** Whether the peer sends nothing more on it. */
  get hasPeerLeft(): boolean {
    return this.#hasPeerLeft;
  }

  /** Whether frames are held back. */
  get holds(): boolean {
    return (this.#held?.length ?? 0) > 0;
  }

  /** Starts to receive. */
  attach(handler: LinkHandler): void {
    this.#handler = handler;
    this.framed.attach(this);
    this.framed.setFlowing(true);
  }

  /** See `Receiver.frame`. */
  frame(frame: Frame): void {
    this.#handler?.onFrame(this, frame);
  }

  /** See `Receiver.heard`. */
  heard(): void {
    this.#handler?.onHeard(this);
  }

  /** See `Receiver.written`. */
  written(bytes: number): void {
    this.#handler?.onWritten(this, bytes);
  }

  /** See `Receiver.closed`. */
  closed(error?: Error): void {
    this.#handler?.onClosed(this, error);
  }

  /** Calls back when the peer has not said hello within a time, in milliseconds. */
  expectHello(ms: number, scheduler: SchedulerLike, onMissing: () => void): void {
    this.framed.after(ms, scheduler, () => {
      if (!this.isMet) onMissing();
    });
  }

  /** Whether the next data on this link follow what has been received (so many bytes), or overlap with it. */
  isInOrder(received: number): boolean {
    return this.at === undefined || this.at <= received;
  }

  /** Whether bytes before the next data on this link have not been received yet. */
  isEarly(received: number): boolean {
    return !this.isStale && !this.isInOrder(received);
  }

  /** Whether the missing bytes may come on this link. */
  mayBring(received: number): boolean {
    return !this.#hasPeerLeft && !this.isStale && this.isInOrder(received);
  }

  /** Counts data as received. Returns the part that is new, given how many bytes have been received already. */
  advance(at: number, payload: Buffer, received: number): Buffer {
    this.at = at + payload.length;
    return received === at ? payload : payload.subarray(received - at);
  }

  /** Holds a frame back, and stops reading the link after it. */
  hold(frame: Frame): void {
    (this.#held ??= new Queue()).push(frame);
    this.framed.setFlowing(false);
  }

  /**
   * Hands out the frames that were held back, in order, and reads on when none is left. Returns whether any was taken.
   *
   * @param take returns false for a frame that cannot be taken yet.
   */
  release(take: (link: TransportLink, frame: Frame) => boolean): boolean {
    let hasTaken = false;
    for (let frame = this.#held?.next; frame !== undefined && take(this, frame); frame = this.#held?.next) {
      this.#held?.take();
      hasTaken = true;
    }
    if (!this.holds) this.framed.setFlowing(true);
    return hasTaken;
  }

  /** Takes all frames that were held back. */
  takeHeld(): Frame[] {
    return this.#held?.takeAll() ?? [];
  }

  /** The peer has said `leave`: it sends nothing more on this link. */
  peerLeaves(): void {
    this.#hasPeerLeft = true;
  }

  /** Says `leave`: this side sends nothing more on this link. Closes it if the peer has left, too, and returns whether it has. */
  leave(scheduler: SchedulerLike): boolean {
    if (!this.#isLeft) this.framed.write(FRAME.leave, NOTHING);
    this.#isLeft = true;
    if (this.#hasPeerLeft) this.framed.retire(RETIRE_MS, scheduler);
    return this.#hasPeerLeft;
  }

  /** Drops the link, and everything not yet sent on it. */
  drop(): void {
    this.framed.ignore();
    this.framed.destroy();
  }
}
