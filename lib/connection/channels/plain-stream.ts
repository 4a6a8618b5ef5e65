import { Queue } from '../../bounds/queue.js';
import { ChannelStream, type ChannelStreamConfig } from './channel-stream.js';
import type { StreamLayer } from './stream-layer.js';

/** What the stream of a plain connection needs. */
export interface PlainStreamConfig extends Omit<ChannelStreamConfig, 'write' | 'allowHalfOpen' | 'onRead'> {
  /** There is something to send. */
  readonly onDue: () => void;
  /** Whether what the peer still sends is to be dropped. */
  readonly ignoresData: () => boolean;
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
    this.own = new ChannelStream({
      ...config,
      allowHalfOpen: false,
      onRead: () => undefined,
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
    const { limits, ignoresData } = this.#config;
    return this.own.unread < limits.readAheadBytes || ignoresData();
  }

  next(): Buffer | undefined {
    const bytes = this.#queue.take();
    if (bytes !== undefined) this.#waiting -= bytes.length;
    return bytes;
  }

  onData(bytes: Buffer): void {
    this.own.push(bytes);
  }

  onWritten(): void {
    this.own.written();
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
