import { ProtocolError } from '../../errors.js';
import { FIRST_WINDOW_BYTES } from './frames.js';

// Flow control by credit, as HTTP/2 (RFC 9113 §5.2) and QUIC (RFC 9000 §4) have it: a reader that stops holds up its own channel and
// nothing else, and what waits for it is bounded. A window is doubled when the sender says that it is blocked and the reader has
// kept pace, so that it grows with bandwidth times delay; all windows of a connection together share one room.

/** Credit for so many bytes is told at the latest, so that the sender of a large window sees that its bytes are read. */
const DUE_BYTES = 262_144;

/** What a sender may still send. */
export class SendCredit {
  #limit = FIRST_WINDOW_BYTES;
  #sent = 0;
  /** The limit at which the receiver was told that it is in the way. */
  #toldAt = 0;

  /** How many bytes may be sent. */
  get left(): number {
    return this.#limit - this.#sent;
  }

  /** So many bytes are being sent. */
  spend(bytes: number): void {
    this.#sent += bytes;
  }

  /** The receiver takes bytes up to an offset. Returns whether that is more than before. */
  raise(limit: number): boolean {
    if (limit <= this.#limit) return false;
    this.#limit = limit;
    return true;
  }

  /** The offset that the receiver has to be told to be in the way of what waits; `undefined` when it has been told already. */
  tellBlocked(): number | undefined {
    if (this.#toldAt === this.#limit) return undefined;
    this.#toldAt = this.#limit;
    return this.#limit;
  }
}

/** The room for what all channels of a connection have room for beyond their first windows, in bytes. */
export class WindowPool {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /**
   * Takes room for a window to grow. Nothing where less would be left than the window has then: however many windows grow, there is
   * something left for one more (the dynamic threshold of Choudhury and Hahne, 1998).
   *
   * @returns whether it may.
   */
  take(window: number, growth: number): boolean {
    if (this.#left - growth < window + growth) return false;
    this.#left -= growth;
    return true;
  }

  /** Gives back what a window had. */
  giveBack(bytes: number): void {
    this.#left += bytes;
  }
}

/** What a receiver has allowed the sender to send, and what of it has come and been read. */
export class ReceiveCredit {
  readonly #pool: WindowPool;
  #window = FIRST_WINDOW_BYTES;
  #limit = FIRST_WINDOW_BYTES;
  #received = 0;
  #read = 0;
  #isAtEnd = false;

  constructor(pool: WindowPool) {
    this.#pool = pool;
  }

  /** Whether the sender is to be told of more credit: when half of the window has been read, or much. */
  get isDue(): boolean {
    return this.#read + this.#window - this.#limit >= Math.min(this.#window / 2, DUE_BYTES);
  }

  /**
   * So many bytes have come.
   *
   * @throws ProtocolError when they are more than was allowed.
   */
  arrive(bytes: number): void {
    this.#received += bytes;
    if (this.#received > this.#limit)
      throw new ProtocolError(`Expected at most ${this.#limit} bytes on a channel, got ${this.#received}`);
  }

  /** So many bytes have been read. */
  read(bytes: number): void {
    this.#read += bytes;
    if (this.#isAtEnd) this.#closeIfRead();
  }

  /** The sender says that it has more than it may send. Lets it send more at a time, where the reader keeps pace. */
  grow(): void {
    const unread = this.#received - this.#read;
    if (unread * 2 <= this.#window && this.#pool.take(this.#window, this.#window)) this.#window *= 2;
  }

  /** The offset up to which bytes are taken from now on. */
  grant(): number {
    this.#limit = this.#read + this.#window;
    return this.#limit;
  }

  /** Nothing more will come: gives back its room once all that has come has been read, since that fills it until then. */
  end(): void {
    this.#isAtEnd = true;
    this.#closeIfRead();
  }

  /** Nothing more will come or wait: gives back its room. */
  close(): void {
    this.#pool.giveBack(this.#window - FIRST_WINDOW_BYTES);
    this.#window = FIRST_WINDOW_BYTES;
  }
  #closeIfRead(): void {
    if (this.#read >= this.#received) this.close();
  }
}
