import { noop } from 'rxjs';
import { Queue } from '../../bounds/queue.js';
import { ReceiveCredit, SendCredit, WindowPool } from './credit.js';
import {
  CHANNEL_FRAME,
  encodeChannelFrame,
  encodeChannelHeader,
  encodeLimit,
  encodeOpening,
  encodeReset,
  OWN_CHANNEL,
  type Opening,
  type Reset,
} from './frames.js';
import type { Priority } from './priority.js';
import type { TurnTaker } from './turns.js';

/** Pieces from here on travel without being copied, in bytes; shorter ones of a channel are joined to one frame. */
const LONG_BYTES = 8_192;

/** Takes what a channel brings. */
export interface ChannelHandler {
  /** Bytes, in order. Each has to be counted as read by {@link ChannelEnd.read}, so that the peer may send more. */
  onData(bytes: Buffer): void;
  /** The peer sends nothing more. */
  onEnd(): void;
  /** The peer sends nothing more, and takes nothing more. */
  onReset(reset: Reset): void;
  /** Some of what waited is on its way. */
  onWritten(): void;
  /** Both sides have said that they send nothing more. */
  onOver?(): void;
}

/** Who sends what a channel's end has to say. */
export interface ChannelEndHost {
  readonly pool: WindowPool;
  /** There is something to send: a frame of control, or data when there is credit. */
  onDue(end: ChannelEnd): void;
  /** So many bytes more, or fewer, wait to be sent. */
  onWaiting(bytes: number): void;
  /** The peer has answered for the first time. */
  onAnswered(end: ChannelEnd): void;
  /** One side has reset it: it counts no more, though its number is not free yet. */
  onReset(end: ChannelEnd): void;
  /** Both sides have said that they send nothing more: its number is free again. */
  onOver(end: ChannelEnd): void;
}

/** What of a channel's end is to be said, beside its data. */
interface Due {
  /** The frame that opens it. */
  open: Buffer | undefined;
  window: boolean;
  blocked: number | undefined;
  end: boolean;
  reset: Reset | undefined;
}

/**
 * This side's end of a channel, as the multiplexer has it: bytes that wait to be sent, the credit of both sides, and whether each has
 * ended. It makes nothing of the bytes, and knows nothing of links.
 */
export class ChannelEnd implements TurnTaker {
  readonly id: number;
  readonly name: string;
  readonly priority: Priority;
  /** Whether it waits for its turn to send data. */
  isInTurn = false;

  readonly #host: ChannelEndHost;
  readonly #queue = new Queue<Buffer>();
  /** How much of the first piece has been sent. */
  #within = 0;
  #waiting = 0;
  readonly #sending = new SendCredit();
  readonly #receiving: ReceiveCredit;
  readonly #due: Due = { open: undefined, window: false, blocked: undefined, end: false, reset: undefined };
  #handler: ChannelHandler | undefined;
  /** What came before anybody took it. */
  #early: Buffer[] | undefined;
  #isAnswered: boolean;
  /** This side sends nothing more behind what waits. */
  #isEnding = false;
  /** This side has said so. */
  #hasEnded = false;
  /** The peer sends nothing more. */
  #hasPeerEnded = false;
  #reset: Reset | undefined;
  #isReset = false;
  #isLast = false;

  /** @param isAnswered whether the peer holds it, too: it has opened it, or both have it from the beginning. */
  constructor(id: number, { name, priority }: Opening, isAnswered: boolean, host: ChannelEndHost) {
    this.id = id;
    this.name = name;
    this.priority = priority;
    this.#host = host;
    this.#isAnswered = isAnswered;
    this.#receiving = new ReceiveCredit(host.pool);
    if (!isAnswered) this.#sayOpen();
  }

  /** Whether the peer has said anything on it, or opened it. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** What waits to be sent, in bytes. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Whether data may be sent. */
  get isReady(): boolean {
    return this.#waiting > 0 && this.#sending.left > 0;
  }

  /** Whether bytes that are written now are sent. */
  get isWritable(): boolean {
    return !this.#isEnding && !this.#isReset;
  }

  /** Whether one side has reset it. */
  get isReset(): boolean {
    return this.#isReset;
  }

  /** Whether the peer sends nothing more. */
  get hasPeerEnded(): boolean {
    return this.#hasPeerEnded;
  }

  /** Whether something beside its data is to be said now. */
  get isDue(): boolean {
    const { open, window, blocked, end, reset } = this.#due;
    return open !== undefined || window || blocked !== undefined || reset !== undefined || (end && this.#waiting === 0);
  }

  /** Hands everything that comes to `handler`, from what has come already. A channel that the peer has opened is accepted by it. */
  attach(handler: ChannelHandler): void {
    this.#handler = handler;
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const bytes of early) handler.onData(bytes);
    if (this.#reset !== undefined) handler.onReset(this.#reset);
    else if (this.#hasPeerEnded) handler.onEnd();
  }

  /** Accepts it: the peer learns that somebody reads. */
  accept(): void {
    this.#say('window');
  }

  /** Sends bytes, which must not be changed any more, behind all that waits. */
  write(bytes: Buffer): void {
    if (!this.isWritable || bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#count(bytes.length);
    if (this.#sending.left > 0) this.#host.onDue(this);
    else this.#sayBlocked();
  }

  /** So many bytes have been read: the peer may send as many more. */
  read(bytes: number): void {
    this.#receiving.read(bytes);
    if (this.#receiving.isDue && !this.#hasPeerEnded && !this.#isReset && !this.#isLast) this.#say('window');
  }

  /** The connection has come to the peer's end: no more credit is given. */
  expectNoMore(): void {
    this.#isLast = true;
    this.#due.window = false;
  }

  /** Sends nothing more behind what waits. */
  end(): void {
    if (!this.isWritable) return;
    this.#isEnding = true;
    this.#say('end');
  }

  /** Sends nothing more at once, takes nothing more, and tells the peer why. */
  reset(reset: Reset): void {
    if (this.#isReset || (this.#hasEnded && this.#hasPeerEnded)) return;
    this.#isReset = true;
    this.#host.onReset(this);
    this.#receiving.close();
    this.#drop();
    this.#due.end = this.#due.window = false;
    this.#due.blocked = undefined;
    this.#due.reset = reset;
    this.#host.onDue(this);
  }

  /**
   * Data have come.
   *
   * @throws ProtocolError when they are more than was allowed.
   */
  onData(bytes: Buffer): void {
    this.#answer();
    this.#receiving.arrive(bytes.length);
    if (this.#isReset) return;
    if (this.#handler === undefined) (this.#early ??= []).push(Buffer.from(bytes));
    else this.#handler.onData(bytes);
  }

  /** The peer takes more. */
  onWindow(limit: number): void {
    this.#answer();
    if (this.#sending.raise(limit) && this.#waiting > 0) this.#host.onDue(this);
  }

  /** The peer has more than it may send. */
  onBlocked(): void {
    this.#answer();
    if (this.#isReset || this.#hasPeerEnded) return;
    this.#receiving.grow();
    if (this.#receiving.isDue) this.#say('window');
  }

  /** The peer sends nothing more. */
  onEnd(): void {
    this.#answer();
    this.#hasPeerEnded = true;
    this.#receiving.end();
    if (!this.#isReset) this.#handler?.onEnd();
    this.#settle();
  }

  /** The peer sends nothing more, and takes nothing more. */
  onReset(reset: Reset): void {
    this.#answer();
    this.#hasPeerEnded = true;
    this.#reset = reset;
    this.#receiving.close();
    this.#drop();
    const isTold = this.#isReset;
    this.#isReset = true;
    if (!isTold) this.#host.onReset(this);
    // The answer, by which both sides know that its number is free.
    if (!this.#hasEnded && this.#due.reset === undefined) this.#say('end');
    if (!isTold) this.#handler?.onReset(reset);
    this.#settle();
  }

  /** What is to be said beside data, as frames; in the order in which they have to come. */
  takeDue(): Buffer[] {
    const due = this.#due;
    const frames: Buffer[] = [];
    if (due.open !== undefined) {
      frames.push(due.open);
      this.#host.onWaiting(-due.open.length);
      due.open = undefined;
    }
    if (due.window) frames.push(this.#frame(CHANNEL_FRAME.window, encodeLimit(this.#receiving.grant())));
    if (due.blocked !== undefined) frames.push(this.#frame(CHANNEL_FRAME.blocked, encodeLimit(due.blocked)));
    due.window = false;
    due.blocked = undefined;
    if (due.reset !== undefined) {
      frames.push(this.#frame(CHANNEL_FRAME.reset, encodeReset(due.reset)));
      due.reset = undefined;
      this.#hasEnded = true;
    } else if (due.end && this.#waiting === 0) {
      frames.push(this.#frame(CHANNEL_FRAME.end));
      due.end = false;
      this.#hasEnded = true;
    }
    this.#settle();
    return frames;
  }

  /**
   * Takes a frame of data, of at most so many bytes: its beginning, and its rest where that is long, so that it need not be copied.
   */
  takeData(most: number): readonly [Buffer] | readonly [Buffer, Buffer] | undefined {
    const first = this.#queue.next;
    const length = Math.min(most, this.#sending.left, this.#waiting);
    if (first === undefined || length === 0) return undefined;
    const size = first.length - this.#within;
    const frame = size >= LONG_BYTES ? this.#takeLong(first, Math.min(size, length)) : this.#join(length);
    if (this.#waiting > 0 && this.#sending.left === 0) this.#sayBlocked();
    return frame;
  }

  /** What was taken is on its way. */
  tellWritten(): void {
    this.#handler?.onWritten();
  }

  /** Both sides have said that they send nothing more. */
  tellOver(): void {
    this.#handler?.onOver?.();
  }

  #takeLong(piece: Buffer, length: number): readonly [Buffer, Buffer] {
    const bytes = piece.subarray(this.#within, this.#within + length);
    this.#advance(piece, length);
    this.#spend(length);
    return [encodeChannelHeader(CHANNEL_FRAME.data, this.id, length), bytes];
  }

  /** One frame of the short pieces that wait, up to a long one. */
  #join(most: number): readonly [Buffer] {
    const pieces: Buffer[] = [];
    let length = 0;
    while (length < most) {
      const piece = this.#queue.next;
      if (piece === undefined || (length > 0 && piece.length >= LONG_BYTES)) break;
      const bytes = piece.subarray(this.#within, this.#within + most - length);
      pieces.push(bytes);
      length += bytes.length;
      this.#advance(piece, bytes.length);
    }
    this.#spend(length);
    const frame = encodeChannelHeader(CHANNEL_FRAME.data, this.id, length);
    return [Buffer.concat([frame, ...pieces], frame.length + length)];
  }

  #advance(piece: Buffer, length: number): void {
    this.#within += length;
    if (this.#within < piece.length) return;
    this.#queue.take();
    this.#within = 0;
  }

  #spend(length: number): void {
    this.#sending.spend(length);
    this.#count(-length);
  }

  #count(bytes: number): void {
    this.#waiting += bytes;
    this.#host.onWaiting(bytes);
  }

  /** It waits as data do: a connection that is closed says so behind it. */
  #sayOpen(): void {
    const frame = this.#frame(CHANNEL_FRAME.open, encodeOpening(this));
    this.#due.open = frame;
    this.#host.onWaiting(frame.length);
    this.#host.onDue(this);
  }

  #say(what: 'window' | 'end'): void {
    this.#due[what] = true;
    this.#host.onDue(this);
  }

  #sayBlocked(): void {
    const limit = this.#sending.tellBlocked();
    if (limit === undefined) return;
    this.#due.blocked = limit;
    this.#host.onDue(this);
  }

  #frame(type: Parameters<typeof encodeChannelFrame>[0], payload?: Buffer): Buffer {
    return encodeChannelFrame(type, this.id, payload);
  }

  #answer(): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.#host.onAnswered(this);
  }

  #drop(): void {
    this.#queue.takeAll();
    this.#within = 0;
    this.#count(-this.#waiting);
  }

  #settle(): void {
    if (this.#hasEnded && this.#hasPeerEnded) this.#host.onOver(this);
  }
}

/** An end that nobody sends for: of a channel that is opened when the connection has said its last. */
export function unsentEnd(opening: Opening): ChannelEnd {
  return new ChannelEnd(OWN_CHANNEL, opening, true, {
    pool: new WindowPool(0),
    onDue: noop,
    onWaiting: noop,
    onAnswered: noop,
    onReset: noop,
    onOver: noop,
  });
}
