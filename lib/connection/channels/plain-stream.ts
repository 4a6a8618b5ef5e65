import { Queue } from '../../bounds/queue.js';
import { ChannelStream, type ChannelStreamConfig } from './channel-stream.js';
import type { StreamLayer } from './stream-layer.js';

/** What the stream of a plain connection needs. */
export interface PlainStreamConfig extends Omit<ChannelStreamConfig, 'write' | 'allowHalfOpen' | 'onRead'> {
  /** Whether what the peer still sends is to be dropped. */
  ignoresData(): boolean;
  /** There is something to send. */
  onDue(): void;
}

/** The one channel of a plain connection: the link carries its bytes as they are, and flow control is TCP's. */
export class PlainStream implements StreamLayer {
  readonly own: ChannelStream;
  readonly #config: PlainStreamConfig;
  readonly #queue = new Queue<Buffer>();
  #waiting = 0;
  #hasSent = false;

  constructor(config: PlainStreamConfig) {
    this.#config = config;
    const { limits, lineEnd, closed$ } = config;
    this.own = new ChannelStream({
      limits,
      lineEnd,
      closed$,
      allowHalfOpen: false,
      waiting: () => config.waiting(),
      onRead: () => undefined,
      onChange: () => {
        config.onChange();
      },
      onDelivered: () => {
        config.onDelivered();
      },
      onFault: (error) => {
        config.onFault(error);
      },
      close: () => {
        config.close();
      },
      abort: () => {
        config.abort();
      },
      write: (bytes) => {
        this.#hasSent = true;
        this.#queue.push(bytes);
        this.#waiting += bytes.length;
        config.onDue();
      },
    });
  }

  get hasSent(): boolean {
    return this.#hasSent;
  }

  get hasReader(): boolean {
    return this.own.hasReader;
  }

  get isReading(): boolean {
    return this.own.isReading;
  }

  get waiting(): number {
    return this.#waiting;
  }

  hasRoom(): boolean {
    const config = this.#config;
    return this.own.unread < config.limits.readAheadBytes || config.ignoresData();
  }

  next(): Buffer | undefined {
    const bytes = this.#queue.take();
    if (bytes !== undefined) this.#waiting -= bytes.length;
    return bytes;
  }

  release(): void {
    // The link may still have them to send: nobody acknowledges on a plain link.
  }

  onData(bytes: Buffer): void {
    this.own.onData(bytes);
  }

  onWritten(): void {
    this.own.onWritten();
  }

  closeOutbox(): void {
    this.own.closeOutbox();
  }

  closeInbox(how: 'ended' | 'cut'): void {
    this.own.closeInbox(how);
  }

  complete(): void {
    this.own.complete();
  }
}
