// What is sent to a peer waits in memory until the peer takes it. A peer that asks for much and takes nothing would fill memory. So all
// that waits for one peer shares a number of bytes. Half of it is divided among all holders there can be, so that each can always go on
// with a little. The other half is for those that need more: while little of it is left, holders that can wait do so, and when it is used
// up, the largest of those that cannot wait gives way.

/** How many bytes may wait. */
interface WaitingBytesConfig {
  /** In all. */
  readonly most: number;
  /** How many holders there can be at once. */
  readonly holders: number;
}

/** What a holder does when bytes run short, and when there is room again. */
export interface WaitingHolder {
  /** Called when too many bytes wait, and this holder has most of those that are evictable. It has to let go of some. */
  giveWay(): void;
  /** Called when there is room again, after {@link WaitingShare.queue}. */
  wake(): void;
}

/**
 * The bytes that may wait for one peer, whatever they are of.
 *
 * @example
 * const waiting = new WaitingBytes({ most: 2 ** 25, holders: 1024 });
 * const share = waiting.share({ giveWay: () => socket.destroy(), wake: () => socket.resume() });
 * share.set(socket.writableLength);
 */
export class WaitingBytes {
  /** How many bytes each holder may have whatever others have. */
  readonly own: number;
  /** How many bytes there are beyond those, and how many of them are used. */
  readonly #most: number;
  #used = 0;
  /** Those that have more than their own bytes. */
  readonly #users = new Set<WaitingShare>();
  /** Those that wait for room, in the order in which they came. */
  readonly #queued = new Set<WaitingShare>();

  constructor({ most, holders }: WaitingBytesConfig) {
    this.#most = most / 2;
    this.own = this.#most / holders;
  }

  /** Whether a holder that can wait may take more than its own bytes. It leaves half for those that cannot wait. */
  get hasRoom(): boolean {
    return this.#used * 2 < this.#most;
  }

  /** Adds a holder, which has nothing yet. */
  share(holder: WaitingHolder): WaitingShare {
    return new WaitingShare(this, holder);
  }

  /** A share has changed. */
  count(share: WaitingShare, before: number): void {
    const beyond = Math.max(0, share.bytes - this.own);
    this.#used += beyond - Math.max(0, before - this.own);
    if (beyond > 0) this.#users.add(share);
    else this.#users.delete(share);
    if (this.#used > this.#most) this.#evict();
    this.wakeNext();
  }

  /** Has a share woken when there is room. */
  queue(share: WaitingShare): void {
    this.#queued.add(share);
  }

  /** A share does not wait for room any more. */
  unqueue(share: WaitingShare): void {
    this.#queued.delete(share);
  }

  /** Wakes the one that has waited longest, if there is room. Call it again when that one has taken what it needs. */
  wakeNext(): void {
    if (this.#queued.size === 0 || !this.hasRoom) return;
    const [next] = this.#queued;
    if (next === undefined) return;
    this.#queued.delete(next);
    next.holder.wake();
  }

  /** One alone may have more: else what is longer than all there is room for could never be sent. */
  #evict(): void {
    while (this.#used > this.#most && this.#users.size > 1) {
      const largest = this.#largest();
      const before = largest?.bytes ?? 0;
      largest?.holder.giveWay();
      if (largest === undefined || largest.bytes >= before) return;
    }
  }

  #largest(): WaitingShare | undefined {
    let largest: WaitingShare | undefined;
    for (const user of this.#users) if (user.isEvictable && user.bytes > (largest?.bytes ?? 0)) largest = user;
    return largest;
  }
}

/** What one holder has. */
export class WaitingShare {
  /** Whether it may have to give way. */
  isEvictable = false;
  readonly #all: WaitingBytes;
  #bytes = 0;
  #isClosed = false;

  constructor(
    all: WaitingBytes,
    readonly holder: WaitingHolder,
  ) {
    this.#all = all;
  }

  /** How many bytes it has. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Sets how many bytes it has. That may have this holder or another give way. */
  set(bytes: number): void {
    if (bytes === this.#bytes || this.#isClosed) return;
    const before = this.#bytes;
    this.#bytes = bytes;
    this.#all.count(this, before);
  }

  /** Has it woken when there is room. */
  queue(): void {
    if (!this.#isClosed) this.#all.queue(this);
  }

  /** It does not wait for room any more. */
  unqueue(): void {
    this.#all.unqueue(this);
  }

  /** It has nothing any more, and never will. */
  close(): void {
    this.#all.unqueue(this);
    this.set(0);
    this.#isClosed = true;
  }
}
