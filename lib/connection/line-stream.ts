import type { Duplex } from 'node:stream';
import type { Observable, ObservableInput } from 'rxjs';
import type { Limits } from '../config.js';
import type { CloseReason } from './close-reason.js';
import type { Connection } from './connection.js';
import { Inbox } from './inbox.js';
import { Outbox } from './outbox.js';

/** What lines of text need around them. */
export interface LineStreamConfig {
  readonly limits: Limits;
  /** What ends a line. */
  readonly lineEnd: string;
  /** Sends bytes. */
  readonly write: (bytes: Buffer) => void;
  /** How many bytes wait to be sent. */
  readonly waiting: () => number;
  /** Emits when nothing is carried any more. */
  readonly closed$: Observable<CloseReason>;
  /** Called when there may be room for more bytes, or readers have come or gone. */
  readonly onChange: () => void;
  /** Called once, when everything has been read up to the peer's end. */
  readonly onDelivered: () => void;
  /** Called when the peer's bytes are no lines, or too many bytes wait to be sent. */
  readonly onFault: (error: Error) => void;
  /** Closes what carries the bytes. */
  readonly close: () => void;
}

/** Lines of text, or a Node stream, over a stream of bytes in each direction: an {@link Inbox} and an {@link Outbox}. */
export class LineStream implements Pick<
  Connection,
  'lines$' | 'drain$' | 'eachLine$' | 'send' | 'sendAll' | 'toDuplex'
> {
  readonly lines$: Observable<string>;
  readonly drain$: Observable<void>;
  readonly #close: () => void;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;

  constructor(config: LineStreamConfig) {
    const { limits, lineEnd, write, waiting, closed$, onChange, onDelivered, onFault, close } = config;
    const { lineBytes, readAheadBytes, sendHighWaterBytes, sendMaxBytes } = limits;
    this.#close = close;
    this.#inbox = new Inbox({ lineBytes, readAheadBytes, onChange, onDelivered, onFault });
    this.#outbox = new Outbox({
      lineBytes,
      sendHighWaterBytes,
      sendMaxBytes,
      lineEnd,
      write,
      waiting,
      closed$,
      onOverflow: onFault,
    });
    this.lines$ = this.#inbox.lines$;
    this.drain$ = this.#outbox.drain$;
  }

  /** Whether somebody reads. */
  get hasReader(): boolean {
    return this.#inbox.hasReader;
  }

  /** Whether there is room for more of the peer's bytes. */
  get wantsMore(): boolean {
    return this.#inbox.wantsMore;
  }

  /** Whether anything was sent. */
  get hasSent(): boolean {
    return this.#outbox.hasSent;
  }

  /** What was sent and has not gone to the system yet, in bytes. */
  get buffered(): number {
    return this.#outbox.buffered;
  }

  eachLine$<T>(project: (text: string) => ObservableInput<T>, concurrent = 1): Observable<T> {
    return this.#inbox.eachLine$(project, concurrent);
  }

  send(text: string): boolean {
    return this.#outbox.send(text);
  }

  sendAll(lines: ObservableInput<string>): Observable<never> {
    return this.#outbox.sendAll(lines);
  }

  toDuplex(): Duplex {
    return this.#inbox.toDuplex({
      write: (chunk, done) => {
        this.#outbox.sendBytes(chunk, done);
      },
      close: this.#close,
    });
  }

  /** Takes in bytes of the peer's. */
  push(bytes: Buffer): void {
    this.#inbox.push(bytes);
  }

  /** Some of what was sent has gone to the system. */
  written(): void {
    this.#outbox.written();
  }

  /** Nothing more will be sent; what was sent before goes out. */
  closeOutbox(): void {
    this.#outbox.close();
  }

  /** Nothing more will come: after a `cut`, a last line without its end is left out. */
  closeInbox(how: 'ended' | 'cut'): void {
    this.#inbox.end(how);
  }

  /** Nothing will ever be sent again: completes `drain$`. */
  complete(): void {
    this.#outbox.finish();
  }
}
