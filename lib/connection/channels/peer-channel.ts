import type { Duplex } from 'node:stream';
import type { Observable, ObservableInput } from 'rxjs';
import type { BegunBytes } from '../../bounds/begun-bytes.js';
import type { Limits } from '../../config.js';
import { Latest } from '../../operators/latest.js';
import type { Channel, Connection } from '../connection.js';
import { failureReason, peersReason, resetHere, unfinishedReason, type CloseReason } from '../close-reason.js';
import type { Blocks } from './blocks.js';
import type { ChannelEnd, ChannelHandler } from './channel-end.js';
import { ChannelStream } from './channel-stream.js';
import type { Reset } from './frames.js';

/** What a channel needs. */
export interface PeerChannelConfig {
  readonly connection: Connection;
  readonly limits: Limits;
  readonly begun: BegunBytes;
  readonly blocks: Blocks;
  readonly allowHalfOpen: boolean;
  /** Called when something has been read, or readers have come or gone. */
  readonly onChange: () => void;
  /** Called once, when it has ended. */
  readonly onClosed: () => void;
}

/** A channel that this side or the peer has opened: a {@link ChannelStream} over its {@link ChannelEnd}, and how it ends. */
export class PeerChannel implements Channel {
  readonly name: string;
  readonly connection: Connection;
  readonly #end: ChannelEnd;
  readonly #config: PeerChannelConfig;
  readonly #stream: ChannelStream;
  readonly #closed = new Latest<CloseReason>();
  #isClosing = false;
  /** Whether it is cut off. A stream of `toDuplex` is destroyed by that, which is no reason of its own. */
  #isCutOff = false;
  /** Which side has closed it first. */
  #closedBy: CloseReason['by'] | undefined;
  #isClosed = false;

  constructor(end: ChannelEnd, config: PeerChannelConfig) {
    this.name = end.name;
    this.connection = config.connection;
    this.#end = end;
    this.#config = config;
    this.#stream = new ChannelStream({
      limits: config.limits,
      begun: config.begun,
      blocks: config.blocks,
      lineEnd: '\n',
      allowHalfOpen: config.allowHalfOpen,
      closed$: this.#closed.value$,
      write: (bytes) => {
        end.write(bytes);
      },
      waiting: () => end.waiting,
      onRead: (bytes) => {
        end.read(bytes);
      },
      onChange: () => {
        this.#onReadersChanged();
        config.onChange();
      },
      onDelivered: () => {
        if (!config.allowHalfOpen) this.close();
      },
      onFault: (error) => {
        this.#fail(error);
      },
      close: () => {
        this.close();
      },
      abort: () => {
        if (!this.#isCutOff) this.reset(0, 'the stream was destroyed');
      },
    });
  }

  get lines$(): Observable<string> {
    return this.#stream.lines$;
  }

  get messages$(): Observable<Buffer> {
    return this.#stream.messages$;
  }

  get drain$(): Observable<void> {
    return this.#stream.drain$;
  }

  get closed$(): Observable<CloseReason> {
    return this.#closed.value$;
  }

  /** Starts to read, beginning with what has arrived already. Call it once. */
  begin(): void {
    this.#end.attach(this.#handler);
  }

  /** Whether somebody reads. */
  get hasReader(): boolean {
    return this.#stream.hasReader;
  }

  /** Whether somebody reads, and has not read everything up to the end. */
  get isReading(): boolean {
    return this.#stream.isReading;
  }

  eachLine$<T>(project: (text: string) => ObservableInput<T>, concurrent?: number): Observable<T> {
    return this.#stream.eachLine$(project, concurrent);
  }

  eachMessage$<T>(project: (message: Buffer) => ObservableInput<T>, concurrent?: number): Observable<T> {
    return this.#stream.eachMessage$(project, concurrent);
  }

  send(text: string): boolean {
    return this.#stream.send(text);
  }

  sendMessage(message: Uint8Array): boolean {
    return this.#stream.sendMessage(message);
  }

  sendAll(lines: ObservableInput<string>): Observable<never> {
    return this.#stream.sendAll(lines);
  }

  toDuplex(): Duplex {
    return this.#stream.toDuplex();
  }

  close(): void {
    if (this.#isClosing || this.#isClosed) return;
    this.#isClosing = true;
    this.#closedBy ??= 'us';
    this.#stream.closeOutbox();
    this.#end.end();
  }

  reset(resetCode?: number, message?: string): void {
    const reason = resetHere(resetCode, message);
    this.#end.reset(reason);
    this.#discard(reason);
  }

  /** The connection is being closed: ends sending, after what was sent before. */
  closeOutbox(): void {
    this.#stream.closeOutbox();
  }

  /**
   * Nothing more will come on the connection. Where the peer has not ended the channel itself, what came may not be all, in whatever order the connection
   * ends: a reader of a file without a length must not take it for whole.
   */
  connectionEnds(): void {
    if (this.#end.hasPeerEnded) return;
    // Why is told next.
    this.#isCutOff = true;
    this.#stream.closeInbox('cut');
  }

  /** The connection has ended, and this channel with it. */
  connectionClosed(reason: CloseReason): void {
    this.#cut(reason.code === 'closed' && !this.#end.hasPeerEnded ? unfinishedReason(reason) : reason);
  }

  /** This side had closed the connection before the channel was opened. */
  neverOpened(reason: CloseReason): void {
    this.#cut(reason);
  }

  readonly #handler: ChannelHandler = {
    onData: (bytes) => {
      this.#stream.onData(bytes);
    },
    onEnd: () => {
      this.#closedBy ??= 'peer';
      this.#stream.closeInbox('ended');
      this.#onReadersChanged();
    },
    onReset: (reset) => {
      this.#discard(resetReason(reset));
    },
    onWritten: () => {
      this.#stream.onWritten();
    },
    onOver: () => {
      this.#finish({ code: 'closed', by: this.#closedBy ?? 'us', message: 'closed by both sides' });
    },
  };

  /** The peer has closed the channel and everything has been read: closes this side, unless it is to stay half open. */
  #onReadersChanged(): void {
    const { hasReader, isRead } = this.#stream;
    if (this.#closedBy === 'peer' && !this.#config.allowHalfOpen && !hasReader && isRead) this.close();
  }

  #fail(error: unknown): void {
    const reason = failureReason(error);
    this.#end.reset(reason);
    this.#cut(reason);
  }

  /** Drops what waits on a channel that was reset: else a peer could fill memory by resetting one channel after the other. */
  #discard(reason: CloseReason): void {
    if (this.#isClosed) return;
    this.#isCutOff = true;
    this.#isClosing = true;
    this.#stream.discardInbox();
    this.#cut(reason);
  }

  #cut(reason: CloseReason): void {
    if (this.#isClosed) return;
    this.#isCutOff = true;
    this.#isClosing = true;
    this.#stream.closeOutbox();
    this.#stream.closeInbox('cut');
    this.#finish(reason);
  }

  #finish(reason: CloseReason): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closed.next(reason);
    this.#closed.complete();
    this.#stream.complete();
    this.#config.onClosed();
  }
}

/** Why the peer has reset a channel. */
function resetReason(reset: Reset): CloseReason {
  const { message } = reset;
  const words = message === '' ? 'the peer reset the channel' : `the peer reset the channel: ${message}`;
  return { ...peersReason(reset), message: words };
}
