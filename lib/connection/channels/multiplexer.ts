import { Queue } from '../../bounds/queue.js';
import { TokenBucket } from '../../bounds/rate-limit.js';
import { ProtocolError } from '../../errors.js';
import { ChannelEnd, type ChannelEndHost } from './channel-end.js';
import { WindowPool } from './credit.js';
import {
  CHANNEL_FRAME,
  ChannelFrameDecoder,
  decodeLimit,
  decodeOpening,
  decodeReset,
  MAX_CHANNEL_ID,
  OWN_CHANNEL,
  type ChannelFrameTaker,
  type ChannelFrameType,
  type Opening,
  type Reset,
} from './frames.js';
import { Turns } from './turns.js';

/** How many channels a side may open that the other has not answered yet. */
export const MAX_UNANSWERED = 256;

/** While as many are unanswered, no call is begun. */
const MAX_UNANSWERED_CALLS = 224;

/** The longest frame of data, in bytes, while no other channel has data to send … */
const ALONE_BYTES = 65_536;

/** … and while others have: the longest that one waits for another. */
const SHARED_BYTES = 16_384;

/** Short frames are joined into one piece of about this many bytes … */
const JOINED_BYTES = 8_192;

/** … or of this many frames, if they are tiny. */
const JOINED_FRAMES = 1_024;

/** How often a peer may reset channels; above this its new ones are refused. Opening and resetting in a loop would bypass every limit. */
const RESETS = { perSecond: 1_000, burst: 4_096 };

/** What a multiplexer needs. */
export interface MultiplexerConfig {
  /** Whether this side opens the channels of even numbers. */
  readonly isControlling: boolean;
  /** How many channels each side may have open. */
  readonly channels: number;
  /** How many bytes all windows may grow by together. */
  readonly windowBytes: number;
  /** The time, in milliseconds. */
  now(): number;
  /** There is something to send. */
  onDue(): void;
  /** Bytes that were written to a channel are not needed any more: a copy is sent in their place, or they are not sent. */
  release(bytes: Buffer): void;
  /** The peer has opened a channel. It has to be accepted or reset. */
  onOpen(end: ChannelEnd): void;
  /** {@link Multiplexer.full} may have changed: a channel of this side has been answered, or is over. */
  onRoom(): void;
}

/**
 * Many channels over one stream of bytes. Reads the frames of the peer's stream, and makes this side's stream frame by frame, from the
 * channels that have credit, in turns.
 */
export class Multiplexer implements ChannelEndHost, ChannelFrameTaker {
  /** The connection's own channel. */
  readonly own: ChannelEnd;
  /** See `ChannelEndHost.pool`. */
  readonly pool: WindowPool;

  readonly #config: MultiplexerConfig;
  /** All channels but the connection's own, which most connections have alone. */
  #ends: Map<number, ChannelEnd> | undefined;
  /** Those with control frames to send. */
  #due: ChannelEnd[] | undefined;
  readonly #turns = new Turns<ChannelEnd>();
  readonly #decoder = new ChannelFrameDecoder();
  /** How often the peer may reset channels, once it has. */
  #resets: TokenBucket | undefined;
  /** Counts of the channels that this side has opened, and the peer: in use, and reset but not over. */
  readonly #ours = { inUse: 0, reset: 0 };
  readonly #theirs = { inUse: 0, reset: 0 };
  #unanswered = 0;
  #nextId: number;
  #waiting = 0;
  #hasSent = false;
  #hasPeerEnded = false;
  /** The channels whose data were taken last. They learn of it at the next call, when the data have been handed on. */
  #written: ChannelEnd[] | undefined;
  /** Channels that are over and have not been told yet. */
  #over: Queue<ChannelEnd> | undefined;
  /** The payload of a frame whose header has been sent. */
  #rest: Buffer | undefined;

  constructor(config: MultiplexerConfig) {
    this.#config = config;
    this.#nextId = config.isControlling ? 2 : 1;
    this.pool = new WindowPool(config.windowBytes);
    this.own = new ChannelEnd(OWN_CHANNEL, { name: '', priority: 'normal' }, true, this);
  }

  /** See `ChannelEndHost.onDue`. */
  onDue(end: ChannelEnd): void {
    this.#noteDue(end);
    this.#ready(end);
    this.#config.onDue();
  }

  /** See `ChannelEndHost`. */
  release(bytes: Buffer): void {
    this.#config.release(bytes);
  }

  /** See `ChannelEndHost.onWaiting`. */
  onWaiting(bytes: number): void {
    this.#waiting += bytes;
    if (bytes > 0) this.#hasSent = true;
  }

  /** See `ChannelEndHost.onAnswered`. */
  onAnswered(): void {
    this.#unanswered--;
    this.#config.onRoom();
  }

  /** See `ChannelEndHost.onReset`. */
  onReset(end: ChannelEnd): void {
    const count = this.#countOf(end);
    count.inUse--;
    count.reset++;
    this.#config.onRoom();
  }

  /** See `ChannelEndHost.onOver`. */
  onOver(end: ChannelEnd): void {
    if (this.#ends?.get(end.id) !== end) return;
    this.#remove(end);
    (this.#over ??= new Queue()).push(end);
  }

  /** How many bytes of `data` and `open` frames wait. Other frames may also follow the connection's end. */
  get waiting(): number {
    return this.#waiting + (this.#rest?.length ?? 0);
  }

  /** Whether anything was sent on any channel, or a channel was opened. */
  get hasSent(): boolean {
    return this.#hasSent;
  }

  /** Every channel that is not over. */
  get ends(): Iterable<ChannelEnd> {
    return [this.own, ...(this.#ends?.values() ?? [])];
  }

  /** Why no further channel can be opened at the moment; `undefined` when one can. */
  get full(): string | undefined {
    return this.#fullAt(MAX_UNANSWERED);
  }

  /** Why no further call can be made at the moment. Calls, of which many wait for their turn, leave room for the application's channels. */
  get fullForCalls(): string | undefined {
    return this.#fullAt(MAX_UNANSWERED_CALLS);
  }

  #fullAt(mostUnanswered: number): string | undefined {
    const { channels } = this.#config;
    if (this.#ours.inUse >= channels) return `${channels} are open`;
    if (this.#ours.reset >= channels) return `${channels} have been reset, and the peer has not answered yet`;
    return this.#unanswered >= mostUnanswered ? `${mostUnanswered} have not been answered yet` : undefined;
  }

  /** Opens a channel. Check `full` before. */
  open(opening: Opening): ChannelEnd {
    const end = new ChannelEnd(this.#freeId(), opening, false, this);
    this.#add(end);
    this.#ours.inUse++;
    this.#unanswered++;
    return end;
  }

  /**
   * Reads the next bytes of the peer's stream.
   *
   * @throws ProtocolError when the peer may not send them.
   */
  push(bytes: Buffer): void {
    this.#decoder.push(bytes, this);
    this.#tell();
  }

  /** The peer sends no more data on any channel. It still gives credit for what this side sends. */
  peerEnds(): void {
    this.#hasPeerEnded = true;
    for (const end of this.ends) end.expectNoMore();
  }

  /** The next bytes of this side's stream; `undefined` when there is nothing to send, or no credit to send it. */
  next(): Buffer | undefined {
    const rest = this.#rest;
    if (rest !== undefined) {
      this.#rest = undefined;
      return rest;
    }
    this.#tell();
    const frames: Buffer[] = [];
    for (let length = 0; length < JOINED_BYTES && this.#rest === undefined;) {
      const before = frames.length;
      // Control frames go first; a channel's `end` becomes due when its last data have been taken.
      if (this.#due !== undefined) this.#takeControl(frames, this.#due);
      else this.#takeFrame(frames);
      if (this.#due === undefined && frames.length === before) break;
      for (let index = before; index < frames.length; index++) length += frames[index]?.length ?? 0;
    }
    return frames.length <= 1 ? frames[0] : Buffer.concat(frames);
  }

  /** Calls handlers only now: they may write or end the connection, and must not do so while a frame is being taken. */
  #tell(): void {
    const written = this.#written;
    this.#written = undefined;
    if (written !== undefined) for (const end of written) end.tellWritten();
    for (let end = this.#over?.take(); end !== undefined; end = this.#over?.take()) end.tellOver();
  }

  #takeControl(frames: Buffer[], due: readonly ChannelEnd[]): void {
    this.#due = undefined;
    for (const [i, end] of due.entries()) {
      if (frames.length >= JOINED_FRAMES) {
        this.#isDueBefore(due.slice(i));
        return;
      }
      end.isNotedDue = false;
      end.takeDue(frames);
    }
  }

  /** They keep their places before those that have become due meanwhile. */
  #isDueBefore(ends: ChannelEnd[]): void {
    this.#due = ends.concat(this.#due ?? []);
  }

  #noteDue(end: ChannelEnd): void {
    if (end.isNotedDue || !end.isDue) return;
    end.isNotedDue = true;
    (this.#due ??= []).push(end);
  }

  /** Takes one frame of data. A long payload is kept, and sent next. */
  #takeFrame(frames: Buffer[]): void {
    for (let end = this.#turns.next(); end !== undefined; end = this.#turns.next()) {
      end.isInTurn = false;
      const frame = end.takeData(this.#turns.length === 0 ? ALONE_BYTES : SHARED_BYTES);
      this.#noteDue(end);
      this.#ready(end);
      if (frame === undefined) continue;
      (this.#written ??= []).push(end);
      frames.push(frame[0]);
      [, this.#rest] = frame;
      return;
    }
  }

  #ready(end: ChannelEnd): void {
    if (end.isInTurn || !end.isReady) return;
    end.isInTurn = true;
    this.#turns.add(end);
  }

  /** See `ChannelFrameTaker.onFrame`. */
  onFrame(type: ChannelFrameType, id: number, payload: Buffer): void {
    const end = id === OWN_CHANNEL ? this.own : this.#ends?.get(id);
    switch (type) {
      case CHANNEL_FRAME.data:
        if (end === undefined || end.hasPeerEnded || this.#hasPeerEnded)
          throw new ProtocolError(`Expected data on an open channel, got some on ${id}`);
        end.onData(payload);
        break;
      case CHANNEL_FRAME.open:
        this.#onOpen(id, payload);
        break;
      case CHANNEL_FRAME.window: {
        const limit = decodeLimit(payload);
        // The peer may have sent it before it learned that the channel is over.
        end?.onWindow(limit);
        break;
      }
      case CHANNEL_FRAME.blocked: {
        const limit = decodeLimit(payload);
        end?.onBlocked(limit);
        break;
      }
      case CHANNEL_FRAME.end:
        if (end === undefined || end.hasPeerEnded || end === this.own)
          throw new ProtocolError(`Expected the end of an open channel, got that of ${id}`);
        end.onEnd();
        break;
      case CHANNEL_FRAME.reset:
        if (end === this.own)
          throw new ProtocolError("Expected the connection's own channel to end with it, got a reset");
        if (end !== undefined && !this.#isOurs(end)) this.#resetsOfPeer.take();
        end?.onReset(decodeReset(payload));
    }
  }

  #onOpen(id: number, payload: Buffer): void {
    const { isControlling, channels } = this.#config;
    const isTheirs = id !== OWN_CHANNEL && (id % 2 === 0) !== isControlling;
    if (!isTheirs || this.#ends?.has(id) === true || this.#hasPeerEnded)
      throw new ProtocolError(`Expected a channel with a number of the peer's that is free, got ${id}`);
    // A channel above the limit is reset, and counts as that. A peer that waits for answers has no more than this many.
    if (this.#theirs.reset >= channels + MAX_UNANSWERED)
      throw new ProtocolError(`Expected at most ${channels} channels at a time, got more, unanswered ones left out`);
    const end = new ChannelEnd(id, decodeOpening(payload), true, this);
    this.#add(end);
    this.#theirs.inUse++;
    if (this.#theirs.inUse > channels) end.reset(refusedFor(`${channels} channels are open`));
    else if (this.#resets?.take(0) === false) end.reset(refusedFor('too many channels have been reset'));
    else this.#config.onOpen(end);
  }

  get #resetsOfPeer(): TokenBucket {
    return (this.#resets ??= new TokenBucket({ now: () => this.#config.now(), ...RESETS }));
  }

  #add(end: ChannelEnd): void {
    (this.#ends ??= new Map()).set(end.id, end);
  }

  #remove(end: ChannelEnd): void {
    this.#ends?.delete(end.id);
    const count = this.#countOf(end);
    if (end.isReset) count.reset--;
    else count.inUse--;
    this.#config.onRoom();
  }

  #countOf(end: ChannelEnd): { inUse: number; reset: number } {
    return this.#isOurs(end) ? this.#ours : this.#theirs;
  }

  #isOurs({ id }: ChannelEnd): boolean {
    return (id % 2 === 0) === this.#config.isControlling;
  }

  /** Numbers go up and wrap around, so that a number is used again only long after all frames of its last channel have arrived. */
  #freeId(): number {
    for (;;) {
      const id = this.#nextId;
      this.#nextId = id + 2 < MAX_CHANNEL_ID ? id + 2 : 2 - (id % 2);
      if (this.#ends?.has(id) !== true) return id;
    }
  }
}

function refusedFor(message: string): Reset {
  return { code: 'refused', refusal: 'too-many-channels', message };
}
