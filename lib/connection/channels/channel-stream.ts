import type { Duplex } from 'node:stream';
import type { Observable, ObservableInput } from 'rxjs';
import type { BegunBytes } from '../../bounds/begun-bytes.js';
import type { Limits } from '../../config.js';
import type { Channel } from '../connection.js';
import type { CloseReason } from '../close-reason.js';
import type { Blocks } from './blocks.js';
import type { ChannelHandler } from './channel-end.js';
import { Inbox, type InboxConfig } from './inbox.js';
import { Outbox } from './outbox.js';

/** How many unread bytes are kept once this side has closed the channel and nobody reads: enough for an answer, not for a file. */
const KEPT_BYTES = 32_768;

/** What a channel's stream needs of its channel. */
export interface ChannelStreamConfig {
  readonly limits: Limits;
  /** See `InboxConfig.begun`. */
  readonly begun?: BegunBytes | undefined;
  /** Where what is long is copied to, until the peer has it; by default to memory of its own. */
  readonly blocks?: Blocks | undefined;
  /** What ends a line. */
  readonly lineEnd: string;
  /** Whether the Node stream of `toDuplex` may go on sending when the peer has ended. */
  readonly allowHalfOpen: boolean;
  /** Emits when the channel has ended. */
  readonly closed$: Observable<CloseReason>;
  /** Sends bytes. */
  write(bytes: Buffer): void;
  /** How many bytes wait to be sent. */
  waiting(): number;
  /** Called when bytes have been read, with their number. */
  onRead(bytes: number): void;
  /** Called when something has been read, or a reader has come or left. */
  onChange(): void;
  /** Called once, when everything has been read up to the peer's end. */
  onDelivered(): void;
  /** Called when the peer's bytes cannot be decoded, or too many bytes wait to be sent. */
  onFault(error: Error): void;
  /** Sends nothing more. */
  close(): void;
  /** Ends the channel at once. */
  abort(): void;
}

/** The members of a channel that send and receive. */
export type ChannelContents = Pick<
  Channel,
  'lines$' | 'messages$' | 'drain$' | 'eachLine$' | 'eachMessage$' | 'send' | 'sendMessage' | 'sendAll' | 'toDuplex'
>;

/** Lines, messages, or a Node stream, over a stream of bytes in each direction: an {@link Inbox} and an {@link Outbox}. */
export class ChannelStream implements ChannelContents, ChannelHandler, InboxConfig {
  readonly #config: ChannelStreamConfig;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  #isClosing = false;

  constructor(config: ChannelStreamConfig) {
    this.#config = config;
    this.#inbox = new Inbox(this);
    this.#outbox = new Outbox(config);
  }

  get lines$(): Observable<string> {
    return this.#inbox.lines$;
  }

  get messages$(): Observable<Buffer> {
    return this.#inbox.messages$;
  }

  get drain$(): Observable<void> {
    return this.#outbox.drain$;
  }

  /** See {@link InboxConfig}. */
  get limits(): Limits {
    return this.#config.limits;
  }

  /** See {@link InboxConfig}. */
  get begun(): BegunBytes | undefined {
    return this.#config.begun;
  }

  /** See {@link InboxConfig}. */
  onRead(bytes: number): void {
    this.#config.onRead(bytes);
  }

  /** See {@link InboxConfig}. */
  onChange(): void {
    this.#config.onChange();
  }

  /** See {@link InboxConfig}. */
  onDelivered(): void {
    this.#config.onDelivered();
  }

  /** See {@link InboxConfig}. */
  onFault(error: Error): void {
    this.#config.onFault(error);
  }

  /** See {@link InboxConfig}. */
  onLeave(): void {
    // The application closed the channel, read, and stopped reading: it wants no more.
    if (this.#isClosing && !this.#inbox.hasReader) this.#inbox.abandon();
    this.#config.onChange();
  }

  /** Whether somebody reads. */
  get hasReader(): boolean {
    return this.#inbox.hasReader;
  }

  /** Whether somebody reads, and has not read everything up to the end. */
  get isReading(): boolean {
    return this.#inbox.isReading;
  }

  /** Whether all that has come has been read, but for a line or message that is not whole. */
  get isRead(): boolean {
    return this.#inbox.isRead;
  }

  /** How many of the peer's bytes wait to be read. */
  get unread(): number {
    return this.#inbox.waiting;
  }

  eachLine$<T>(project: (text: string) => ObservableInput<T>, concurrent = 1): Observable<T> {
    return this.#inbox.eachLine$(project, concurrent);
  }

  eachMessage$<T>(project: (message: Buffer) => ObservableInput<T>, concurrent = 1): Observable<T> {
    return this.#inbox.eachMessage$(project, concurrent);
  }

  send(text: string): boolean {
    return this.#outbox.send(text);
  }

  sendMessage(message: Uint8Array): boolean {
    return this.#outbox.sendMessage(message);
  }

  sendAll(lines: ObservableInput<string>): Observable<never> {
    return this.#outbox.sendAll(lines);
  }

  toDuplex(): Duplex {
    return this.#inbox.toDuplex({
      write: (chunk, done) => {
        this.#outbox.sendBytes(chunk, done);
      },
      close: () => {
        this.#config.close();
      },
      abort: () => {
        this.#config.abort();
      },
      allowHalfOpen: this.#config.allowHalfOpen,
    });
  }

  /** Takes in bytes from the peer. */
  onData(bytes: Buffer): void {
    this.#inbox.push(bytes);
    if (this.#isClosing) this.#abandonBulk();
  }

  /** Some of the waiting bytes have been sent. */
  onWritten(): void {
    this.#outbox.written();
  }

  /** Where this handles a channel's end itself, as for a connection's own, that is told by {@link closeInbox}. */
  onEnd(): void {
    // Its connection ends it.
  }

  /** See {@link onEnd}. */
  onReset(): void {
    // A connection's own channel is never reset.
  }

  /** Ends sending, after what was sent before. */
  closeOutbox(): void {
    this.#outbox.close();
    this.#isClosing = true;
    this.#abandonBulk();
  }

  /** Nothing more will come. After a `cut`, a last line without its line end is dropped, since it may be incomplete. */
  closeInbox(how: 'ended' | 'cut'): void {
    this.#inbox.end(how);
  }

  /** Nothing more will come, and what waits to be read is lost. */
  discardInbox(): void {
    this.#inbox.discard();
  }

  /** The channel is over: completes `drain$`. */
  complete(): void {
    this.#inbox.release();
    this.#outbox.finish();
  }

  /** Drops what waits if it is much: unread bytes use up the peer's credit, so that its end would never come. */
  #abandonBulk(): void {
    if (!this.#inbox.hasReader && this.#inbox.waiting > KEPT_BYTES) this.#inbox.abandon();
  }
}
