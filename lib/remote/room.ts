import type { WaitingBytes, WaitingHolder, WaitingShare } from '../bounds/waiting-bytes.js';

/** While this many bytes of a call wait, an iterable is not asked for more, and an Observable's values queue up. */
export const HIGH_WATER_BYTES = 131_072;

/** Whose values wait for room. */
export interface RoomUser {
  /** How many bytes of this call have been written and wait to be sent. */
  readonly waiting: number;
  /** Called when too much waits for the peer, and for this call most. It has to let go of some. */
  giveWay(): void;
}

/** Something that goes on when there is room. */
interface Blocked {
  readonly goOn: () => void;
  /** How many bytes more will wait then; `undefined` for those that are counted already. */
  readonly bytes: number | undefined;
}

/** Whether the values of a call may be written: not while much waits for this call, or for all calls of the peer. */
export class Room implements WaitingHolder {
  readonly #budget: WaitingBytes;
  readonly #user: RoomUser;
  readonly #share: WaitingShare;
  #blocked: Blocked | undefined;

  /** @param budget what may wait of the values of all calls of the peer. */
  constructor(budget: WaitingBytes, user: RoomUser) {
    this.#budget = budget;
    this.#user = user;
    this.#share = budget.share(this);
  }

  /** See {@link WaitingHolder}. */
  giveWay(): void {
    this.#user.giveWay();
  }

  /** Whether what is written next waits no longer than a source can be told to wait. */
  get isFree(): boolean {
    return this.fits(1) && this.#user.waiting < HIGH_WATER_BYTES;
  }

  /** The source cannot be told to wait: it may have to give way. */
  mayEvict(): void {
    this.#share.isEvictable = true;
  }

  /** Whether so many bytes more may wait, of a source that can be told to wait. */
  fits(bytes: number): boolean {
    return this.#budget.hasRoom || this.#user.waiting + bytes <= this.#budget.own;
  }

  /** Counts what waits, with so many bytes that have not been written. That may have this call or another give way. */
  count(held: number): void {
    this.#share.set(this.#user.waiting + held);
  }

  /** Resolves when there is room for so many bytes. One thing at a time can be waited for. */
  until(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#blocked = { goOn: resolve, bytes };
      if (!this.fits(bytes)) this.#share.queue();
    });
  }

  /** Calls back when half of what waits for this call has been sent. */
  onDrained(goOn: () => void): void {
    this.#blocked = { goOn, bytes: undefined };
  }

  /** This call does not use its room for now. */
  passOn(): void {
    this.#budget.wakeNext();
  }

  /** Lets go on what is blocked, if there is room now. */
  wake(): void {
    const blocked = this.#blocked;
    if (blocked === undefined || this.#user.waiting * 2 > HIGH_WATER_BYTES) return;
    if (blocked.bytes !== undefined && !this.fits(blocked.bytes)) {
      this.#share.queue();
      return;
    }
    this.clear();
    blocked.goOn();
  }

  /** Nothing waits for room any more. */
  clear(): void {
    this.#blocked = undefined;
    this.#share.unqueue();
  }

  /** What waited is gone. */
  close(): void {
    this.clear();
    this.#share.close();
  }
}
