import { noop } from 'rxjs';
import { DATA_MAX_LENGTH, encodeHeader, FRAME, frameDecoder, type Frame } from './frames.js';
import type { Link } from './link.js';

/** Takes what a channel brings. */
export interface Receiver {
  frame(frame: Frame): void;
  /** Some of what was written has gone to the system. */
  written(): void;
  /** Nothing comes any more. With an error when the link broke, or when the peer did not keep to the protocol. */
  closed(error?: Error): void;
}

/** How frames look on the wire. Made anew for each channel, since it remembers where in the stream it is. */
export interface Wire {
  decode(chunk: Buffer): Frame[];
  /** Nothing for a frame that this wire has no way to carry. */
  encode(type: number, payload: Uint8Array): readonly Uint8Array[];
  /** What ends a line. */
  readonly lineEnd: '\n' | '\r\n';
  /** Whether the end of the TCP stream is an orderly end, there being no other. */
  readonly endsWithStream: boolean;
}

/** The wire of secured links: every frame has a header. */
export function framedWire(): Wire {
  return {
    decode: frameDecoder(),
    encode(type, payload) {
      if (payload.length <= DATA_MAX_LENGTH) return [encodeHeader(type, payload.length), payload];
      const pieces = [payload.subarray(0, DATA_MAX_LENGTH), payload.subarray(DATA_MAX_LENGTH)];
      return pieces.flatMap((piece) => this.encode(type, piece));
    },
    lineEnd: '\n',
    endsWithStream: false,
  };
}

/**
 * Frames over one link, one receiver at a time. Nothing is read while the channel does not flow, and nothing of what was
 * read is lost when the receiver changes.
 */
export class Channel {
  readonly #wire: Wire;
  #receiver: Receiver | undefined;
  #flowing = false;
  #delivering = false;
  #pending: Frame[] = [];
  #moved = 0;
  #closed: { readonly error?: Error } | undefined;

  constructor(
    readonly link: Link,
    wire: Wire,
  ) {
    this.#wire = wire;
    const { stream } = link;
    const close = (error?: Error) => {
      this.#closed ??= error === undefined ? {} : { error };
      this.#deliver();
    };
    stream.on('data', (chunk: Buffer) => {
      this.#moved += chunk.length;
      try {
        this.#pending.push(...wire.decode(chunk));
      } catch (error) {
        this.#closed ??= { error: error instanceof Error ? error : new Error(String(error)) };
      }
      this.#deliver();
    });
    stream.on('end', () => {
      if (wire.endsWithStream) this.#pending.push({ type: FRAME.end, payload: Buffer.alloc(0) });
      close();
    });
    stream.on('error', close);
    stream.on('close', () => {
      close();
    });
    stream.pause();
  }

  /** Whether frames other than `data` can travel, too. */
  get framed(): boolean {
    return !this.#wire.endsWithStream;
  }

  /** What ends a line here. */
  get lineEnd(): string {
    return this.#wire.lineEnd;
  }

  /** How many bytes have moved so far, in both directions: whether anything still happens. */
  get moved(): number {
    return this.#moved;
  }

  /** What was written and has not gone to the system yet, in bytes. */
  get buffered(): number {
    return this.link.stream.writableLength;
  }

  /** Hands everything that comes from now on to `receiver`; nobody else gets anything any more. */
  attach(receiver: Receiver): void {
    this.#receiver = receiver;
  }

  /** Lets frames come and forgets them: for a channel that nobody owns any more, until it closes. */
  ignore(): void {
    this.attach({ frame: noop, written: noop, closed: noop });
    this.setFlowing(true);
  }

  /** Lets frames come, or holds them back: the peer's sending stalls as soon as the buffers on the way are full. */
  setFlowing(flowing: boolean): void {
    if (flowing && this.#flowing) return;
    this.#flowing = flowing;
    if (flowing) this.#deliver();
    else this.link.stream.pause();
  }

  /** Writes one frame. */
  write(type: number, payload: Uint8Array): void {
    const { stream } = this.link;
    if (stream.writableEnded || stream.destroyed) return;
    stream.cork();
    for (const bytes of this.#wire.encode(type, payload)) stream.write(bytes, this.#onWritten);
    stream.uncork();
    if (type === FRAME.end && this.#wire.endsWithStream) stream.end();
  }

  /** Ends the stream behind all that was written. */
  end(): void {
    this.link.stream.end();
  }

  /** Drops the link, with all that is still on its way. */
  destroy(): void {
    this.link.stream.destroy();
  }

  readonly #onWritten = () => {
    this.#moved++;
    this.#receiver?.written();
  };

  #deliver(): void {
    // A receiver may stop or change in the middle of what one chunk brought, from within its own call.
    if (this.#delivering) return;
    this.#delivering = true;
    while (this.#flowing && this.#receiver !== undefined) {
      const frame = this.#pending.shift();
      if (frame === undefined) break;
      this.#receiver.frame(frame);
    }
    this.#delivering = false;
    if (!this.#flowing) return;
    if (this.#closed === undefined) {
      this.link.stream.resume();
    } else if (this.#pending.length === 0) {
      this.#flowing = false;
      this.#receiver?.closed(this.#closed.error);
    }
  }
}
