import { noop } from 'rxjs';
import { ReceiveCredit, SendCredit, WindowPool } from './credit.js';
import {
  CHANNEL_FRAME,
  encodeChannelFrame,
  encodeLimit,
  encodeOpening,
  encodeReset,
  OWN_CHANNEL,
  type Opening,
  type Reset,
} from './frames.js';
import { Pieces, type PiecesOwner } from './pieces.js';
import type { Priority } from './priority.js';
import type { TurnTaker } from './turns.js';

/** Receives from a channel. */
export interface ChannelHandler {
  /** Bytes, in order. Each has to be counted as read by {@link ChannelEnd.read}, so that the peer may send more. */
  onData(bytes: Buffer): void;
  /** The peer sends nothing more. */
  onEnd(): void;
  /** The peer sends nothing more, and takes nothing more. */
  onReset(reset: Reset): void;
  /** Some of the waiting bytes have been sent. */
  onWritten(): void;
  /** Both sides have said that they send nothing more. */
  onOver?(): void;
}

/** What a channel's end asks of its multiplexer. */
export interface ChannelEndHost extends PiecesOwner {
  readonly pool: WindowPool;
  /** There is something to send: a frame of control, or data when there is credit. */
  onDue(end: ChannelEnd): void;
  /** So many bytes more, or fewer, wait to be sent. */
  onWaiting(bytes: number): void;
  /** The peer has answered for the first time. */
  onAnswered(end: ChannelEnd): void;
  /** One side has reset it: it does not count as open any more, but its number is not free yet. */
  onReset(end: ChannelEnd): void;
  /** Both sides have ended or reset it: its number is free again. */
  onOver(end: ChannelEnd): void;
}

/** The control frames that a channel's end has to send. */
interface Due {
  /** The frame that opens it. */
  open: Buffer | undefined;
  window: boolean;
  blocked: number | undefined;
  end: boolean;
  reset: Reset | undefined;
}

/**
 * This side's end of a channel, as the multiplexer sees it: the bytes that wait to be sent, the credit of both sides, and whether each
 * side has ended. It does not interpret the bytes, and knows nothing of links.
 */
export class ChannelEnd implements TurnTaker {
  readonly id: number;
  readonly name: string;
  readonly priority: Priority;
  /** Whether it waits for its turn to send data. */
  isInTurn = false;
  /** Whether the multiplexer has noted that it has control frames to send. */
  isNotedDue = false;

  readonly #host: ChannelEndHost;
  readonly #pieces: Pieces;
  readonly #sending = new SendCredit();
  readonly #receiving: ReceiveCredit;
  readonly #due: Due = { open: undefined, window: false, blocked: undefined, end: false, reset: undefined };
  #handler: ChannelHandler | undefined;
  /** Bytes that arrived before there was a handler. */
  #early: Buffer[] | undefined;
  #isAnswered: boolean;
  /** This side sends what waits, and then ends. */
  #isEnding = false;
  /** This side has sent its `end` or `reset`. */
  #hasEnded = false;
  /** The peer sends nothing more. */
  #hasPeerEnded = false;
  #reset: Reset | undefined;
  #isReset = false;
  #isLast = false;
  #isUntouched = true;

  /** @param isAnswered whether the peer knows of it: the peer has opened it, or it exists from the beginning. */
  constructor(id: number, { name, priority }: Opening, isAnswered: boolean, host: ChannelEndHost) {
    this.id = id;
    this.name = name;
    this.priority = priority;
    this.#host = host;
    this.#pieces = new Pieces(host);
    this.#isAnswered = isAnswered;
    this.#receiving = new ReceiveCredit(host.pool);
    if (!isAnswered) this.#sayOpen();
  }

  /** Whether the peer has opened it, or has sent any frame on it. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Whether no data were written, and none have come. */
  get isUntouched(): boolean {
    return this.#isUntouched;
  }

  /** How many bytes wait to be sent. */
  get waiting(): number {
    return this.#pieces.length;
  }

  /** Whether data may be sent. */
  get isReady(): boolean {
    return this.waiting > 0 && this.#sending.left > 0;
  }

  /** Whether bytes that are written now will be sent. */
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

  /** Whether a control frame can be sent now. */
  get isDue(): boolean {
    const { open, window, blocked, end, reset } = this.#due;
    return open !== undefined || window || blocked !== undefined || reset !== undefined || (end && this.waiting === 0);
  }

  /** Hands everything that comes to `handler`, beginning with what has come already. */
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

  /** Sends bytes after those that wait. Nobody may change them until the peer has them. */
  write(bytes: Buffer): void {
    if (!this.isWritable || bytes.length === 0) return;
    this.#isUntouched = false;
    this.#pieces.push(bytes);
    this.#host.onWaiting(bytes.length);
    if (this.#sending.left > 0) this.#host.onDue(this);
    else this.#sayBlocked();
  }

  /** Call this when so many bytes have been read: the peer may then send as many more. */
  read(bytes: number): void {
    this.#receiving.read(bytes);
    if (this.#receiving.isDue && !this.#hasPeerEnded && !this.#isReset && !this.#isLast) this.#say('window');
  }

  /** The peer has ended the connection's stream, so it needs no more credit. */
  expectNoMore(): void {
    this.#isLast = true;
    this.#due.window = false;
  }

  /** Ends this side of the channel after the bytes that wait. */
  end(): void {
    if (!this.isWritable) return;
    this.#isEnding = true;
    this.#say('end');
  }

  /** Ends both directions at once, and tells the peer why. Drops the bytes that wait. */
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
    this.#isUntouched = false;
    this.#receiving.arrive(bytes.length);
    if (this.#isReset || bytes.length === 0) return;
    if (this.#handler === undefined) (this.#early ??= []).push(Buffer.from(bytes));
    else this.#handler.onData(bytes);
  }

  /** The peer takes more. */
  onWindow(limit: number): void {
    this.#answer();
    if (this.#sending.raise(limit) && this.waiting > 0) this.#host.onDue(this);
  }

  /** The peer has more than it may send. */
  onBlocked(limit: number): void {
    this.#answer();
    if (this.#isReset || this.#hasPeerEnded) return;
    this.#receiving.grow(limit);
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
    // Each side has to end a channel before its number is free.
    if (!this.#hasEnded && this.#due.reset === undefined) this.#say('end');
    if (!isTold) this.#handler?.onReset(reset);
    this.#settle();
  }

  /** Adds the control frames that are due to others, in the order in which they must be sent. */
  takeDue(frames: Buffer[]): void {
    const due = this.#due;
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
    } else if (due.end && this.waiting === 0) {
      frames.push(this.#frame(CHANNEL_FRAME.end));
      due.end = false;
      this.#hasEnded = true;
    }
    this.#settle();
  }

  /** Takes one frame of data, of at most so many bytes. See {@link Pieces.takeFrame}. */
  takeData(most: number): readonly [Buffer] | readonly [Buffer, Buffer] | undefined {
    const before = this.#pieces.length;
    const length = Math.min(most, this.#sending.left, before);
    const frame = length === 0 ? undefined : this.#pieces.takeFrame(this.id, length);
    if (frame === undefined) return undefined;
    const taken = before - this.#pieces.length;
    this.#sending.spend(taken);
    this.#host.onWaiting(-taken);
    if (this.waiting > 0 && this.#sending.left === 0) this.#sayBlocked();
    return frame;
  }

  /** The data that were taken have been handed on. */
  tellWritten(): void {
    this.#handler?.onWritten();
  }

  /** Both sides have said that they send nothing more. */
  tellOver(): void {
    this.#handler?.onOver?.();
  }

  /** An `open` counts as waiting, as data do, so that the connection's end is sent after it. */
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
    this.#host.onWaiting(-this.#pieces.length);
    this.#pieces.clear();
  }

  #settle(): void {
    if (this.#hasEnded && this.#hasPeerEnded) this.#host.onOver(this);
  }
}

/** The end of a channel that is opened after the connection was closed: nothing is ever sent for it. */
export function unsentEnd(opening: Opening): ChannelEnd {
  return new ChannelEnd(OWN_CHANNEL, opening, true, {
    pool: new WindowPool(0),
    onDue: noop,
    onWaiting: noop,
    onAnswered: noop,
    onReset: noop,
    onOver: noop,
    release: noop,
  });
}
