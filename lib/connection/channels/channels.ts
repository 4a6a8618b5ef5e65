import { defer, EMPTY, Observable, type SchedulerLike } from 'rxjs';
import { BegunBytes } from '../../bounds/begun-bytes.js';
import { Queue } from '../../bounds/queue.js';
import type { Limits } from '../../config.js';
import { ClosedError, TooManyChannelsError } from '../../errors.js';
import { Subscribers } from '../../operators/subscribers.js';
import { isCallName, type CallOpening, type ConnectionEnding, type HeldChannel } from '../../remote/channel.js';
import type { Exposures } from '../../remote/expose.js';
import { expectChannelName, expectOneOf } from '../../validate.js';
import type { AcceptOptions, Channel, ChannelOptions, Connection } from '../connection.js';
import type { CloseReason } from '../close-reason.js';
import { Acceptors } from './acceptors.js';
import { Blocks } from './blocks.js';
import { unsentEnd, type ChannelEnd } from './channel-end.js';
import { ChannelStream, type ChannelStreamConfig } from './channel-stream.js';
import type { Opening } from './frames.js';
import { HeldCall, type OpenChannel } from './held-call.js';
import { Multiplexer, type MultiplexerConfig } from './multiplexer.js';
import { OwnCalls } from './own-calls.js';
import { PeerChannel } from './peer-channel.js';
import { PRIORITIES } from './priority.js';
import type { StreamLayer } from './stream-layer.js';

/** What the channels of a connection need. */
export interface ChannelsConfig extends Omit<
  ChannelStreamConfig,
  'write' | 'waiting' | 'allowHalfOpen' | 'onRead' | 'begun' | 'blocks'
> {
  readonly connection: Connection;
  readonly isControlling: boolean;
  readonly scheduler: SchedulerLike;
  /** There is something to send. */
  onDue(): void;
}

/** What the connection's own channel needs, which every connection has: without closures. */
class OwnChannel implements ChannelStreamConfig {
  readonly allowHalfOpen = false;

  constructor(
    readonly end: ChannelEnd,
    readonly begun: BegunBytes,
    readonly blocks: Blocks,
    readonly config: ChannelsConfig,
  ) {}

  get limits(): Limits {
    return this.config.limits;
  }

  get lineEnd(): string {
    return this.config.lineEnd;
  }

  get closed$(): Observable<CloseReason> {
    return this.config.closed$;
  }

  write(bytes: Buffer): void {
    this.end.write(bytes);
  }

  waiting(): number {
    return this.end.waiting;
  }

  onRead(bytes: number): void {
    this.end.read(bytes);
  }

  onChange(): void {
    this.config.onChange();
  }

  onDelivered(): void {
    this.config.onDelivered();
  }

  onFault(error: Error): void {
    this.config.onFault(error);
  }

  close(): void {
    this.config.close();
  }

  abort(): void {
    this.config.abort();
  }
}

/** The channels of a connection: its own, and those that either side has opened. */
export class Channels implements StreamLayer, MultiplexerConfig {
  readonly own: ChannelStream;
  readonly #config: ChannelsConfig;
  readonly #multiplexer: Multiplexer;
  readonly #begun: BegunBytes;
  readonly #blocks: Blocks;
  /** The subscribers that accept channels of this connection. */
  #acceptors: Acceptors | undefined;
  /** The subscribers that accept channels of any connection of the net. */
  #others: Acceptors | undefined;
  #exposures: Exposures<Connection> | undefined;
  /** Channels but the connection's own, which most connections have alone. */
  #open: Set<OpenChannel> | undefined;
  /** The calls that this side makes; most connections never have any. */
  #ownCalls: OwnCalls | undefined;
  /** Those who wait until a channel can be opened. */
  #waitingForRoom: Subscribers<void> | undefined;
  #isRoomDue = false;
  /** Channels that the peer has opened and that have not been offered to subscribers yet. */
  #unoffered: Queue<ChannelEnd> | undefined;
  #hasPeerEnded = false;
  /** Why this side has closed the connection, once it has. */
  #closing: CloseReason | undefined;
  #closed: CloseReason | undefined;

  constructor(config: ChannelsConfig) {
    this.#config = config;
    this.#multiplexer = new Multiplexer(this);
    const { own } = this.#multiplexer;
    this.#begun = new BegunBytes(config.limits.windowBytes);
    this.#blocks = new Blocks(config.scheduler);
    this.own = new ChannelStream(new OwnChannel(own, this.#begun, this.#blocks, config));
    own.attach(this.own);
  }

  /** See {@link MultiplexerConfig}. */
  get isControlling(): boolean {
    return this.#config.isControlling;
  }

  /** See {@link MultiplexerConfig}. */
  get channels(): number {
    return this.#config.limits.channels;
  }

  /** See {@link MultiplexerConfig}. */
  get windowBytes(): number {
    return this.#config.limits.windowBytes;
  }

  /** See {@link MultiplexerConfig}. */
  now(): number {
    return this.#config.scheduler.now();
  }

  /** See {@link MultiplexerConfig}. */
  onDue(): void {
    this.#config.onDue();
  }

  /** See {@link MultiplexerConfig}. */
  onRoom(): void {
    this.#ownCalls?.goOn();
    this.#tellRoom();
  }

  /** See `Connection.channelRoom$`. */
  get room$(): Observable<void> {
    return defer(() => {
      if (this.#closed !== undefined) return EMPTY;
      const waiting = (this.#waitingForRoom ??= new Subscribers());
      return new Observable<void>((subscriber) => waiting.join(subscriber));
    });
  }

  /** Later, since it becomes known while a frame is read or written; calls that wait have their turn before. */
  #tellRoom(): void {
    if (this.#isRoomDue || (this.#waitingForRoom?.size ?? 0) === 0) return;
    this.#isRoomDue = true;
    queueMicrotask(() => {
      this.#isRoomDue = false;
      if (this.#multiplexer.full === undefined) this.#waitingForRoom?.next();
    });
  }

  /** See {@link MultiplexerConfig}. It is offered later, so that code that is handed the connection right now can still subscribe. */
  onOpen(end: ChannelEnd): void {
    const unoffered = (this.#unoffered ??= new Queue());
    if (unoffered.length === 0) this.#offerSoon();
    unoffered.push(end);
  }

  #offerSoon(): void {
    queueMicrotask(() => {
      this.#offerAll();
    });
  }

  #offerAll(): void {
    const unoffered = this.#unoffered;
    try {
      for (let end = unoffered?.next; end !== undefined; end = unoffered?.next) {
        try {
          this.#offer(end);
        } finally {
          // Not before it is known who reads it: else it would look as if nobody did, and the connection could end.
          unoffered?.take();
        }
      }
    } finally {
      // An exception of the application's concerns one channel alone.
      if (this.#hasUnoffered) this.#offerSoon();
      this.#config.onChange();
    }
  }

  get #hasUnoffered(): boolean {
    return (this.#unoffered?.length ?? 0) > 0;
  }

  get hasSent(): boolean {
    return this.#multiplexer.hasSent;
  }

  /** Whether no channel is open but its own, and nothing was sent or has come on that. */
  get isUnused(): boolean {
    return (this.#open?.size ?? 0) === 0 && !this.#hasUnoffered && this.#multiplexer.own.isUntouched;
  }

  get hasReader(): boolean {
    if (this.own.hasReader || this.#hasUnoffered) return true;
    for (const channel of this.#open ?? []) if (channel.hasReader) return true;
    return false;
  }

  get isReading(): boolean {
    if (this.own.isReading || this.#hasUnoffered) return true;
    for (const channel of this.#open ?? []) if (channel.isReading) return true;
    return false;
  }

  get waiting(): number {
    return this.#multiplexer.waiting;
  }

  /** Offers channels and calls also to the subscribers and exposed objects of the whole net. */
  acceptWith(others: Acceptors, exposures: Exposures<Connection>): void {
    this.#others = others;
    this.#exposures = exposures;
  }

  /** Opens a channel for a call as soon as it is its turn. See {@link OpenForCall}. */
  openForCall(name: string, call: CallOpening): () => void {
    const reason = this.#closed ?? this.#closing;
    if (reason !== undefined) throw new ClosedError(`The connection has ended: ${reason.message}`);
    const { callsUnderWay: most, waitingCalls: mostWaiting, sendMaxBytes: mostWaitingBytes } = this.#config.limits;
    this.#ownCalls ??= new OwnCalls({
      most,
      mostWaiting,
      mostWaitingBytes,
      full: () => this.#multiplexer.fullForCalls,
      open: (channel, ending) =>
        this.#holdForCall(this.#multiplexer.open({ name: channel, priority: 'normal' }), ending),
    });
    return this.#ownCalls.add(name, call);
  }

  /** See `Connection.channels$`. */
  channels$(name: string, options?: AcceptOptions): Observable<Channel> {
    this.#acceptors ??= new Acceptors(this.#closed !== undefined);
    return this.#acceptors.channels$(expectChannelName(name), options);
  }

  /** See `Connection.openChannel`. */
  open(name: string, options?: ChannelOptions): Channel {
    return this.openReserved(expectChannelName(name), options);
  }

  /** As {@link open}, also by a name that is the library's own. */
  openReserved(name: string, { priority = 'normal', allowHalfOpen = false }: ChannelOptions = {}): Channel {
    const opening = { name, priority: expectOneOf('priority', priority, PRIORITIES) };
    const reason = this.#closed ?? this.#closing;
    if (reason !== undefined) return this.#endedChannel(opening, reason);
    const { full } = this.#multiplexer;
    if (full !== undefined)
      throw new TooManyChannelsError(
        `Expected to open one more channel to this peer, but ${full}: close some, or wait`,
      );
    return this.#channelOver(this.#multiplexer.open(opening), allowHalfOpen);
  }

  hasRoom(): boolean {
    return true;
  }

  next(): Buffer | undefined {
    return this.#multiplexer.next();
  }

  /** See {@link StreamLayer} and {@link MultiplexerConfig}. */
  release(bytes: Buffer): void {
    this.#blocks.release(bytes);
  }

  onData(bytes: Buffer): void {
    this.#multiplexer.push(bytes);
  }

  onWritten(): void {
    // Each channel reports its own.
  }

  closeOutbox(reason: CloseReason): void {
    this.#closing ??= reason;
    this.own.closeOutbox();
    for (const channel of this.#open ?? []) channel.closeOutbox();
    this.#ownCalls?.drop(reason);
  }

  closeInbox(how: 'ended' | 'cut'): void {
    if (how === 'ended') {
      this.#hasPeerEnded = true;
      this.#multiplexer.peerEnds();
    }
    this.own.closeInbox(how);
    // The end of the connection is that of its own channel alone.
    for (const channel of this.#open ?? []) channel.connectionEnds();
  }

  complete(reason: CloseReason): void {
    this.#closed = reason;
    this.own.complete();
    for (const channel of [...(this.#open ?? [])]) channel.connectionClosed(reason);
    this.#ownCalls?.drop(reason);
    this.#acceptors?.complete();
    this.#waitingForRoom?.complete();
    this.#blocks.close();
  }

  #offer(end: ChannelEnd): void {
    // It may have ended meanwhile.
    if (this.#closed !== undefined || !end.isWritable) return;
    if (this.#closing !== undefined) {
      end.reset({ code: 'refused', refusal: 'closing', message: 'the connection is being closed' });
      return;
    }
    if (isCallName(end.name)) {
      const hold = (ending: ConnectionEnding) => {
        end.accept();
        return this.#holdForCall(end, ending);
      };
      if (this.#exposures?.take(end.name, this.#config.connection, hold) !== true)
        end.reset({ code: 'refused', refusal: 'unknown-name', message: 'nothing is exposed by this name' });
      return;
    }
    const make = ({ allowHalfOpen = false }: AcceptOptions) => {
      end.accept();
      return this.#channelOver(end, allowHalfOpen);
    };
    if (this.#acceptors?.offer(end.name, make) === true || this.#others?.offer(end.name, make) === true) return;
    end.reset({ code: 'refused', refusal: 'unknown-name', message: 'nobody takes channels of this name' });
  }

  /** A channel that is over from the start, since this side has closed the connection. */
  #endedChannel(opening: Opening, reason: CloseReason): Channel {
    const channel = this.#channelOver(unsentEnd(opening), false);
    channel.neverOpened(reason);
    return channel;
  }

  #holdForCall(channel: ChannelEnd, ending: ConnectionEnding): HeldChannel {
    return new HeldCall(channel, this.#begun, ending, (this.#open ??= new Set()));
  }

  #channelOver(end: ChannelEnd, allowHalfOpen: boolean): PeerChannel {
    const config = this.#config;
    const { connection, limits } = config;
    const channel: PeerChannel = new PeerChannel(end, {
      connection,
      limits,
      begun: this.#begun,
      blocks: this.#blocks,
      allowHalfOpen,
      onChange: () => {
        config.onChange();
      },
      onClosed: () => {
        this.#open?.delete(channel);
      },
    });
    (this.#open ??= new Set()).add(channel);
    channel.begin();
    // The connection's end may have arrived right after it.
    if (this.#hasPeerEnded) channel.connectionEnds();
    return channel;
  }
}
