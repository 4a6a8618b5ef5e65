import type { Socket } from 'node:net';
import type { SchedulerLike, Subscription } from 'rxjs';
import { Way, type Member, type WayOwner, type WayShared } from './way.js';

/** What one session may take. */
export interface SpliceLimits {
  /** A session on which nothing has moved for this long is cut, in milliseconds. Nodes ping each other each 25 s. */
  readonly idleMs: number;
  /** Bytes that a session may pass, both directions together. Default: any number. */
  readonly bytesPerSession: number;
  /** Bytes a second that a session may pass on average, both directions together. Default: as many as there are. */
  readonly bytesPerSecond: number;
  /**
   * Bytes of each direction that wait here for a reader that is slower than the writer, who is paused meanwhile; with one
   * read of the kernel's (64 KiB) above that.
   */
  readonly bufferedBytes: number;
}

/** Why a splice was cut. `gaveWay`: a newcomer of a smaller site evicted it. */
export type Cut = 'idle' | 'bytes' | 'unread' | 'gaveWay';

/** What all splices of a relay share. */
export interface SpliceShared extends WayShared {
  readonly limits: SpliceLimits;
  readonly scheduler: SchedulerLike;
  /** Is told of bytes as they are passed on. */
  passed(bytes: number): void;
  /** Is told why a splice is cut, just before it is over. */
  cut(why: Cut): void;
  /** Is told that the socket of a node is closed. */
  left(node: Member): void;
  /** Is told that a splice is over: once. */
  parted(splice: Splice): void;
}

/** How many times in the idle time {@link Splice.tick} is called. */
export const TICKS = 4;

/**
 * Passes whatever comes from either of two nodes on to the other, no faster than that reads. The end of one direction is passed on
 * after all that came before it, and the other goes on. It is over when both sockets are closed; a reset of one is passed on as a reset.
 * A relay has thousands, so what all of them share is in one place.
 */
export class Splice implements WayOwner {
  readonly #shared: SpliceShared;
  readonly #ways: readonly [Way, Way];
  readonly #spend: ((bytes: number) => number) | undefined;
  #left: number;
  #quietTicks = 0;
  #holding: Subscription | undefined;
  #isOver = false;

  /**
   * @param nodes their sockets do not flow, and all of their bytes are still to be read. Both are closed at the end.
   * @param site the site that it is counted by.
   */
  constructor(
    [first, second]: readonly [Member, Member],
    readonly site: string,
    shared: SpliceShared,
  ) {
    const { limits, scheduler } = shared;
    this.#shared = shared;
    this.#left = limits.bytesPerSession;
    this.#spend = allowance(limits.bytesPerSecond, scheduler);
    this.#ways = [new Way(first, second, this, shared), new Way(second, first, this, shared)];
  }

  start(): void {
    for (const way of this.#ways) way.start();
  }

  get isHeld(): boolean {
    return this.#holding !== undefined;
  }

  /** Is to be called {@link TICKS} times in the idle time. */
  tick(): void {
    if (++this.#quietTicks > TICKS) this.#cut('idle');
  }

  giveWay(): void {
    this.#cut('gaveWay');
  }

  tooMuchWaits(): void {
    this.#cut('unread');
  }

  admit(bytes: number): boolean {
    if (this.#isOver) return false;
    this.#quietTicks = 0;
    this.#left -= bytes;
    if (this.#left < 0) {
      this.#cut('bytes');
      return false;
    }
    this.#shared.passed(bytes);
    const waitMs = this.#spend?.(bytes) ?? 0;
    if (waitMs > 0 && !this.isHeld) this.#hold(waitMs);
    return true;
  }

  closed(way: Way): void {
    const [one, other] = this.#ways;
    const back = way === one ? other : one;
    const { from, to } = way;
    this.#shared.unread.forget(back);
    this.#shared.left(from);
    if (to.socket.closed) this.close();
    else if (!from.socket.readableEnded || !from.socket.writableFinished) reset(to.socket);
  }

  /** The relay ends: closes both sockets. What the system has taken still arrives. */
  stop(): void {
    for (const { socket } of this.#ways) socket.destroy();
  }

  /** Breaks off what is still open. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#holding?.unsubscribe();
    this.#shared.parted(this);
    for (const { socket } of this.#ways) reset(socket);
  }

  #cut(why: Cut): void {
    if (this.#isOver) return;
    this.#shared.cut(why);
    this.close();
  }

  #hold(ms: number): void {
    for (const { socket } of this.#ways) socket.pause();
    this.#holding = this.#shared.scheduler.schedule(() => {
      this.#holding = undefined;
      for (const way of this.#ways) way.goOn();
    }, ms);
  }
}

/**
 * A token bucket of one second's bytes. Returns a function that takes bytes, more than are left if necessary, and returns how
 * long to wait until it is positive again, in milliseconds. None where there is no limit.
 */
function allowance(bytesPerSecond: number, scheduler: SchedulerLike): ((bytes: number) => number) | undefined {
  if (bytesPerSecond === Number.POSITIVE_INFINITY) return undefined;
  let available = bytesPerSecond;
  let last = scheduler.now();
  return (bytes) => {
    const time = scheduler.now();
    available = Math.min(bytesPerSecond, available + ((time - last) / 1000) * bytesPerSecond) - bytes;
    last = time;
    return Math.ceil((-available / bytesPerSecond) * 1000);
  };
}

/** Resets a socket, so that the end cannot be mistaken for an orderly one. */
function reset(socket: Socket): void {
  if (socket.destroyed) return;
  // Once a FIN is queued, the RST would not be sent cleanly.
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
