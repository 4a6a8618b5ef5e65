import { ProtocolError } from '../../errors.js';
import { FIRST_WINDOW_BYTES } from './frames.js';

// Flow control by credit, as in HTTP/2 (RFC 9113 §5.2) and QUIC (RFC 9000 §4): a reader that stops delays its own channel only, and
// the unread bytes are bounded. A window doubles when the sender says that it is blocked and the reader has kept up, so that it
// grows to bandwidth × delay. All windows of a connection share one pool of bytes.

/** Credit is given after this many bytes at the latest, so that with a large window too the sender sees progress. */
const DUE_BYTES = 1_048_576;

/** What a sender may still send. */
export class SendCredit {
  #limit = FIRST_WINDOW_BYTES;
  #sent = 0;
  /** The last limit that the receiver was told of by `blocked`. */
  #toldAt = 0;

  /** How many bytes may be sent. */
  get left(): number {
    return this.#limit - this.#sent;
  }

  /** So many bytes are being sent. */
  spend(bytes: number): void {
    this.#sent += bytes;
  }

  /** Raises the limit to an offset. Returns whether it was lower before. */
  raise(limit: number): boolean {
    if (limit <= this.#limit) return false;
    this.#limit = limit;
    return true;
  }

  /** The limit to send in `blocked`; `undefined` when the receiver was told of it already. */
  tellBlocked(): number | undefined {
    if (this.#toldAt === this.#limit) return undefined;
    this.#toldAt = this.#limit;
    return this.#limit;
  }
}

/** The bytes by which all windows of a connection may grow together. */
export class WindowPool {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /**
   * Takes bytes for a window to grow, unless fewer would be left than the grown window has. So however many windows grow, some bytes
   * are left for one more (the dynamic threshold of Choudhury and Hahne, 1998).
   *
   * @returns whether it may grow.
   */
  take(window: number, growth: number): boolean {
    if (this.#left - growth < window + growth) return false;
    this.#left -= growth;
    return true;
  }

  /** Gives back the bytes of a window that is closed. */
  giveBack(bytes: number): void {
    this.#left += bytes;
  }
}

/** The receiver's side: how many bytes it has allowed, received and read. */
export class ReceiveCredit {
  readonly #pool: WindowPool;
  #window = FIRST_WINDOW_BYTES;
  #limit = FIRST_WINDOW_BYTES;
  #received = 0;
  #read = 0;
  #isAtEnd = false;
  /** The highest limit at which the sender was blocked. */
  #blockedAt = 0;

  constructor(pool: WindowPool) {
    this.#pool = pool;
  }

  /** Whether to give the sender more credit: when half of the window has been read, or {@link DUE_BYTES}. */
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

  /**
   * The sender is blocked at a limit. Doubles the window if the reader keeps up and the pool has room: once for each limit, and only
   * for one that the sender has come to. Else a peer could take the whole pool without sending a byte.
   */
  grow(limit: number): void {
    if (limit <= this.#blockedAt || this.#received < limit) return;
    this.#blockedAt = limit;
    const unread = this.#received - this.#read;
    if (unread * 2 <= this.#window && this.#pool.take(this.#window, this.#window)) this.#window *= 2;
  }

  /** Raises the limit as far as the window allows, and returns it. */
  grant(): number {
    this.#limit = this.#read + this.#window;
    return this.#limit;
  }

  /** Nothing more will come: gives the window's bytes back once everything is read, since unread bytes take memory until then. */
  end(): void {
    this.#isAtEnd = true;
    this.#closeIfRead();
  }

  /** Nothing more will come, and nothing waits: gives the window's bytes back. */
  close(): void {
    this.#pool.giveBack(this.#window - FIRST_WINDOW_BYTES);
    this.#window = FIRST_WINDOW_BYTES;
  }
  #closeIfRead(): void {
    if (this.#read >= this.#received) this.close();
  }
}
