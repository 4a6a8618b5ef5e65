import type { Duplex } from 'node:stream';
import type { Observable, ObservableInput } from 'rxjs';
import type { Limits } from '../../config.js';
import type { Channel } from '../connection.js';
import type { CloseReason } from '../close-reason.js';
import { Inbox } from './inbox.js';
import { Outbox } from './outbox.js';

/** So much is kept for whoever may still read it, when this side has closed and nobody reads, in bytes: an answer, and no bulk. */
const KEPT_BYTES = 32_768;

/** What lines and messages need around them. */
export interface ChannelStreamConfig {
  readonly limits: Limits;
  /** What ends a line. */
  readonly lineEnd: string;
  /** Whether this side may go on sending when the peer has ended: for `toDuplex`. */
  readonly allowHalfOpen: boolean;
  /** Sends bytes. */
  readonly write: (bytes: Buffer) => void;
  /** How many bytes wait to be sent. */
  readonly waiting: () => number;
  /** Emits when nothing is carried any more. */
  readonly closed$: Observable<CloseReason>;
  /** Called when so many bytes have been read. */
  readonly onRead: (bytes: number) => void;
  /** Called when something has been read, or readers have come or gone. */
  readonly onChange: () => void;
  /** Called once, when everything has been read up to the peer's end. */
  readonly onDelivered: () => void;
  /** Called when the peer's bytes are not what they should be, or too many bytes wait to be sent. */
  readonly onFault: (error: Error) => void;
  /** Sends nothing more. */
  readonly close: () => void;
  /** Ends the channel at once. */
  readonly abort: () => void;
}

/** What of a channel is about what it carries. */
export type ChannelContents = Pick<
  Channel,
  'lines$' | 'messages$' | 'drain$' | 'eachLine$' | 'eachMessage$' | 'send' | 'sendMessage' | 'sendAll' | 'toDuplex'
>;

/** Lines, messages, or a Node stream, over a stream of bytes in each direction: an {@link Inbox} and an {@link Outbox}. */
export class ChannelStream implements ChannelContents {
  readonly lines$: Observable<string>;
  readonly messages$: Observable<Buffer>;
  readonly drain$: Observable<void>;
  readonly #config: ChannelStreamConfig;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  #isClosing = false;

  constructor(config: ChannelStreamConfig) {
    const { limits, lineEnd, write, waiting, closed$, onRead, onChange, onDelivered, onFault } = config;
    const { lineBytes, messageBytes, sendHighWaterBytes, sendMaxBytes } = limits;
    this.#config = config;
    // Spread, these and the limits would take longer than all else that a channel does.
    this.#inbox = new Inbox({
      lineBytes,
      messageBytes,
      onRead,
      onChange,
      onDelivered,
      onFault,
      onLeave: () => {
        // Whoever had closed and then read has read what it wanted.
        if (this.#isClosing && !this.#inbox.hasReader) this.#inbox.abandon();
        onChange();
      },
    });
    this.#outbox = new Outbox({
      lineBytes,
      messageBytes,
      sendHighWaterBytes,
      sendMaxBytes,
      lineEnd,
      write,
      waiting,
      closed$,
      onOverflow: onFault,
    });
    this.lines$ = this.#inbox.lines$;
    this.messages$ = this.#inbox.messages$;
    this.drain$ = this.#outbox.drain$;
  }

  /** Whether somebody reads. */
  get hasReader(): boolean {
    return this.#inbox.hasReader;
  }

  /** Whether somebody reads, and has yet to come to the end. */
  get isReading(): boolean {
    return this.#inbox.isReading;
  }

  /** Whether all that has come has been read, but for a line or message that is not whole. */
  get isRead(): boolean {
    return this.#inbox.isRead;
  }

  /** How many bytes of the peer's wait to be read. */
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
    const { close, abort, allowHalfOpen } = this.#config;
    return this.#inbox.toDuplex({
      write: (chunk, done) => {
        this.#outbox.sendBytes(chunk, done);
      },
      close,
      abort,
      allowHalfOpen,
    });
  }

  /** Takes in bytes of the peer's. */
  push(bytes: Buffer): void {
    this.#inbox.push(bytes);
    if (this.#isClosing) this.#forgetMuch();
  }

  /** Some of what waited is on its way. */
  written(): void {
    this.#outbox.written();
  }

  /** Nothing more will be sent; what was sent before goes out. */
  closeOutbox(): void {
    this.#outbox.close();
    this.#isClosing = true;
    this.#forgetMuch();
  }

  /** Nothing more will come: after a `cut`, a last line without its end is left out. */
  closeInbox(how: 'ended' | 'cut'): void {
    this.#inbox.end(how);
  }

  /** Nothing more will come, and what waits to be read is lost. */
  discardInbox(): void {
    this.#inbox.discard();
  }

  /** Nothing will ever be sent again: completes `drain$`. */
  complete(): void {
    this.#outbox.finish();
  }

  /** The peer cannot come to its end while nobody reads what it has to say before. */
  #forgetMuch(): void {
    if (!this.#inbox.hasReader && this.#inbox.waiting > KEPT_BYTES) this.#inbox.abandon();
  }
}
