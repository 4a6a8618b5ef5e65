import { EMPTY, fromEvent, ignoreElements, noop, take, type Observable, type SchedulerLike } from 'rxjs';
import { Queue } from '../bounds/queue.js';
import { DATA_FRAME_BYTES, encodeHeader, FRAME, frameDecoder, type Frame } from './frames.js';
import type { Link } from './link.js';

/** So much is handed to the stream at once: a few TLS records, and few system calls. */
const STREAM_BYTES = 65_536;

/** Takes what a framed link brings. */
export interface Receiver {
  frame(frame: Frame): void;
  /** Some of what was written has gone to the system. */
  written(): void;
  /** Nothing comes any more. With an error when the link broke, or when the peer did not keep to the protocol. */
  closed(error?: Error): void;
}

/** How frames look on the wire. Made anew for each framed link, since it remembers where in the stream it is. */
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
      const frames: Uint8Array[] = [];
      for (let at = 0; at === 0 || at < payload.length; at += DATA_FRAME_BYTES) {
        const piece = payload.subarray(at, at + DATA_FRAME_BYTES);
        frames.push(encodeHeader(type, piece.length));
        if (piece.length > 0) frames.push(piece);
      }
      return frames;
    },
    lineEnd: '\n',
    endsWithStream: false,
  };
}

/**
 * Frames over one link, one receiver at a time. Nothing is read while the framed link does not flow, and nothing of what was
 * read is lost when the receiver changes.
 */
export class FramedLink {
  readonly #wire: Wire;
  #link: Link;
  #receiver: Receiver | undefined;
  #flowing = false;
  #delivering = false;
  readonly #pending = new Queue<Frame>();
  #moved = 0;
  readonly #queue = new Queue<Uint8Array>();
  #queued = 0;
  #ending = false;
  #isBroken = false;
  #isTold = false;
  #closed: { readonly error?: Error } | undefined;

  constructor(link: Link, wire: Wire) {
    this.#link = link;
    this.#wire = wire;
    const { stream } = link;
    const close = (error?: Error) => {
      this.#closed ??= error === undefined ? {} : { error };
      this.#deliver();
    };
    stream.on('data', (chunk: Buffer) => {
      this.#moved += chunk.length;
      try {
        for (const frame of wire.decode(chunk)) this.#pending.push(frame);
      } catch (error) {
        this.#closed ??= { error: error instanceof Error ? error : new Error(String(error)) };
      }
      this.#deliver();
    });
    stream.on('end', () => {
      if (wire.endsWithStream) this.#pending.push({ type: FRAME.end, payload: Buffer.alloc(0) });
      close();
    });
    // A link that is gone is told at once, whether or not anybody reads; what had arrived goes first.
    const breakOff = (error?: Error) => {
      this.#closed ??= error === undefined ? {} : { error };
      this.#isBroken = true;
      this.#deliver();
    };
    stream.on('error', breakOff);
    stream.on('close', () => {
      breakOff();
    });
    // What has happened before does not come again.
    if (stream.destroyed) breakOff(stream.errored ?? undefined);
    else if (stream.readableEnded) close();
    stream.pause();
  }

  get link(): Link {
    return this.#link;
  }

  /** Says which technique has made the link, where that shows only later. */
  madeBy(technique: string): void {
    this.#link = { ...this.#link, technique };
  }

  /** Whether frames other than `data` can travel, too. */
  get hasControlFrames(): boolean {
    return !this.#wire.endsWithStream;
  }

  /** Whether the link is gone. */
  get isBroken(): boolean {
    return this.#isBroken;
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
    return this.#queued + this.link.stream.writableLength;
  }

  /** Hands everything that comes from now on to `receiver`; nobody else gets anything any more. */
  attach(receiver: Receiver): void {
    this.#receiver = receiver;
  }

  /** Lets frames come and forgets them: for a framed link that nobody owns any more, until it closes. */
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
    if (this.#ending || this.link.stream.destroyed) return;
    for (const bytes of this.#wire.encode(type, payload)) {
      this.#queue.push(bytes);
      this.#queued += bytes.length;
    }
    this.#pump();
    if (type === FRAME.end && this.#wire.endsWithStream) this.end();
  }

  /** Ends the stream behind all that was written. */
  end(): void {
    this.#ending = true;
    this.#pump();
  }

  /** Ends the stream behind all that was written, forgets what comes, and drops it where the other side does not end it, too. */
  retire(graceMs: number, scheduler: SchedulerLike): void {
    this.after(graceMs, scheduler, () => {
      this.destroy();
    });
    this.end();
    this.ignore();
  }

  /** Does something after a while, in milliseconds, unless the link is gone by then. */
  after(ms: number, scheduler: SchedulerLike, action: () => void): void {
    if (this.link.stream.closed) return;
    const later = scheduler.schedule(action, ms);
    this.link.stream.once('close', () => {
      later.unsubscribe();
    });
  }

  /** Completes when the link holds no socket any more. */
  get released$(): Observable<never> {
    const { stream } = this.link;
    return stream.closed ? EMPTY : fromEvent(stream, 'close').pipe(take(1), ignoreElements());
  }

  /** Drops the link, with all that is still on its way. */
  destroy(): void {
    this.link.stream.destroy();
  }

  /** Hands the stream a little at a time: it tells that something has moved only when all it was handed has. */
  #pump(): void {
    const { stream } = this.link;
    stream.cork();
    while (stream.writableLength < STREAM_BYTES) {
      const bytes = this.#queue.take();
      if (bytes === undefined) break;
      this.#queued -= bytes.length;
      stream.write(bytes, this.#onWritten);
    }
    stream.uncork();
    if (this.#ending && this.#queue.length === 0 && !stream.writableEnded) stream.end();
  }

  readonly #onWritten = () => {
    this.#moved++;
    this.#pump();
    this.#receiver?.written();
  };

  #deliver(): void {
    // A receiver may stop or change in the middle of what one chunk brought, from within its own call.
    if (this.#delivering) return;
    this.#delivering = true;
    while ((this.#flowing || this.#isBroken) && this.#receiver !== undefined) {
      const frame = this.#pending.take();
      if (frame === undefined) break;
      this.#receiver.frame(frame);
    }
    this.#delivering = false;
    if (!this.#flowing && !this.#isBroken) return;
    if (this.#closed === undefined) {
      this.link.stream.resume();
    } else if (this.#pending.length === 0 && !this.#isTold) {
      this.#isTold = this.#receiver !== undefined;
      this.#receiver?.closed(this.#closed.error);
    }
  }
}
