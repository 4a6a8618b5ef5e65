// A line or a message that has begun has to be held until it is whole. A peer that begins many, on as many channels, would fill memory
// with them. So all readers of a connection share a number of bytes for what has begun. When that is used up a reader gets no more, and
// its channel no credit, until another has finished. One at a time may go on regardless: else all could wait for each other.

/** Reads what the peer sends. */
export interface BegunReader {
  /** Called with how many bytes more the peer may send. */
  onRead(bytes: number): void;
}

/** The bytes that readers may hold together of what has begun and is not whole. */
export class BegunBytes {
  #left: number;
  /** Those that wait for bytes, in the order in which they came; most connections never have any. */
  #waiting: Set<BegunShare> | undefined;
  /** The one that may go on regardless. */
  #first: BegunShare | undefined;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Adds a reader. */
  share(reader: BegunReader): BegunShare {
    return new BegunShare(this, reader);
  }

  /**
   * Takes bytes for a share. Returns false when it has to wait.
   *
   * @param isNext whether it has waited longest.
   */
  take(share: BegunShare, bytes: number, isNext: boolean): boolean {
    const hasRoom = bytes <= this.#left;
    if (!hasRoom) this.#first ??= share;
    const may = this.#first === share || (hasRoom && (isNext || (this.#waiting?.size ?? 0) === 0));
    if (may) {
      this.#left -= bytes;
      this.#waiting?.delete(share);
    } else (this.#waiting ??= new Set()).add(share);
    return may;
  }

  /** Gives back the bytes of a share that has finished what it had begun, or of which nobody reads any more. */
  giveBack(share: BegunShare, bytes: number): void {
    this.#left += bytes;
    this.#waiting?.delete(share);
    if (this.#first === share) this.#first = undefined;
    for (const next of this.#waiting ?? []) if (!next.takeOwed(true)) return;
  }
}

/** What one reader holds. */
export class BegunShare {
  readonly #all: BegunBytes;
  readonly #reader: BegunReader;
  /** How many bytes it has taken, for which the peer has got credit again. */
  #taken = 0;
  /** How many it holds besides, for which the peer has to wait. */
  #owed = 0;

  constructor(all: BegunBytes, reader: BegunReader) {
    this.#all = all;
    this.#reader = reader;
  }

  /**
   * So many bytes have been read.
   *
   * @param begun how many bytes the reader holds of what is not whole.
   */
  read(bytes: number, begun: number): void {
    const owedBefore = this.#owed;
    // What was held when this was closed does not count again, though the reader may hold it still.
    this.#owed = Math.min(Math.max(0, begun - this.#taken), owedBefore + bytes);
    const whole = owedBefore + bytes - this.#owed;
    if (begun < this.#taken || this.#owed < owedBefore) {
      const back = Math.max(0, this.#taken - begun);
      this.#taken -= back;
      this.#all.giveBack(this, back);
    }
    if (whole > 0) this.#reader.onRead(whole);
    if (this.#owed > 0) this.takeOwed(false);
  }

  /**
   * Takes what it waits for, if it may.
   *
   * @param isNext whether it has waited longest.
   */
  takeOwed(isNext: boolean): boolean {
    const bytes = this.#owed;
    if (!this.#all.take(this, bytes, isNext)) return false;
    this.#owed = 0;
    this.#taken += bytes;
    this.#reader.onRead(bytes);
    return true;
  }

  /** Nothing is held any more: the peer gets credit for all. */
  close(): void {
    this.read(0, 0);
  }
}
