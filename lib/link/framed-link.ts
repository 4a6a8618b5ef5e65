import { EMPTY, fromEvent, ignoreElements, noop, take, type Observable, type SchedulerLike } from 'rxjs';
import { Queue } from '../bounds/queue.js';
import { DATA_FRAME_BYTES, encodeHeader, FRAME, FrameDecoder, type Frame } from './frames.js';
import { linkOf, type Link } from './link.js';

/** How many bytes the stream is handed at once: a few TLS records, in few system calls. */
const STREAM_BYTES = 65_536;

/** Receives from a framed link. */
export interface Receiver {
  frame(frame: Frame): void;
  /** Some of what was written has gone to the system. */
  written(): void;
  /** The link is gone; with an error if it broke or if the peer broke the protocol. */
  closed(error?: Error): void;
}

/** Encodes and decodes frames. Each framed link has its own, since it remembers its place in the stream. */
export interface Wire {
  decode(chunk: Buffer): Frame[];
  /** Encodes a frame; empty if this wire cannot carry frames of this type. */
  encode(type: number, payload: Uint8Array): readonly Uint8Array[];
  /** What ends a line. */
  readonly lineEnd: '\n' | '\r\n';
  /** Whether the end of the TCP stream counts as an orderly end, since this wire has no `end` frame. */
  readonly endsWithStream: boolean;
}

/** The wire of secured links: every frame has a header. */
export class FramedWire implements Wire {
  readonly lineEnd = '\n';
  readonly endsWithStream = false;
  readonly #decoder = new FrameDecoder();

  decode(chunk: Buffer): Frame[] {
    return this.#decoder.push(chunk);
  }

  encode(type: number, payload: Uint8Array): readonly Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (let at = 0; at === 0 || at < payload.length; at += DATA_FRAME_BYTES) {
      const piece = payload.subarray(at, at + DATA_FRAME_BYTES);
      frames.push(encodeHeader(type, piece.length));
      if (piece.length > 0) frames.push(piece);
    }
    return frames;
  }
}

/**
 * Frames over one link, with one receiver at a time. It reads nothing while it is not flowing, and loses nothing when the receiver
 * changes.
 */
export class FramedLink {
  readonly #wire: Wire;
  #link: Link;
  #receiver: Receiver | undefined;
  #flowing = false;
  #delivering = false;
  /** Frames that have not been handed over; only where some had to wait. */
  #pending: Queue<Frame> | undefined;
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
    stream.on('data', (chunk: Buffer) => {
      this.#onData(chunk);
    });
    stream.on('end', () => {
      this.#onEnd();
    });
    stream.on('error', (error: Error) => {
      this.#breakOff(error);
    });
    stream.on('close', () => {
      this.#breakOff();
    });
    // The stream may have ended before these listeners were added.
    if (stream.destroyed) this.#breakOff(stream.errored ?? undefined);
    else if (stream.readableEnded) this.#close();
    stream.pause();
  }

  #onData(chunk: Buffer): void {
    this.#moved += chunk.length;
    let frames: Frame[] = [];
    try {
      frames = this.#wire.decode(chunk);
    } catch (error) {
      this.#closed ??= { error: error instanceof Error ? error : new Error(String(error)) };
    }
    for (const frame of frames) if (!this.#handOver(frame)) this.#hold(frame);
    this.#deliver();
  }

  #onEnd(): void {
    if (this.#wire.endsWithStream) this.#hold({ type: FRAME.end, payload: Buffer.alloc(0) });
    this.#close();
  }

  #close(error?: Error): void {
    this.#closed ??= error === undefined ? {} : { error };
    this.#deliver();
  }

  /** The receiver learns at once that the link is gone, even if it does not read; but what had arrived comes first. */
  #breakOff(error?: Error): void {
    this.#isBroken = true;
    this.#close(error);
  }

  #hold(frame: Frame): void {
    (this.#pending ??= new Queue()).push(frame);
  }

  get link(): Link {
    return this.#link;
  }

  /** Sets which technique has made the link, when that becomes known only later. */
  madeBy(technique: string): void {
    this.#link = linkOf(this.#link, this.#link, technique, this.#link.direct);
  }

  /** Whether it can carry frames other than `data`. */
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

  /** How many bytes have moved so far, in both directions. */
  get moved(): number {
    return this.#moved;
  }

  /** How many written bytes have not gone to the system yet. */
  get buffered(): number {
    return this.#queued + this.link.stream.writableLength;
  }

  /** Hands everything that comes from now on to `receiver`, and nothing to the receiver before it. */
  attach(receiver: Receiver): void {
    this.#receiver = receiver;
  }

  /** Reads frames and drops them, until the link closes: for a framed link without an owner. */
  ignore(): void {
    this.attach({ frame: noop, written: noop, closed: noop });
    this.setFlowing(true);
  }

  /** Starts or stops reading. While it does not read, the peer has to stop sending when the buffers on the way are full. */
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

  /** Ends the stream after everything that was written. */
  end(): void {
    this.#ending = true;
    this.#pump();
  }

  /** Ends the stream after everything that was written, drops what comes, and destroys the link if the peer does not end it in time. */
  retire(graceMs: number, scheduler: SchedulerLike): void {
    this.after(graceMs, scheduler, () => {
      this.destroy();
    });
    this.end();
    this.ignore();
  }

  /** Runs an action after some milliseconds, unless the link is gone by then. */
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

  /** Destroys the link, and drops everything not yet sent. */
  destroy(): void {
    this.link.stream.destroy();
  }

  /** Hands the stream a little at a time, since it reports progress only when everything it was handed has gone. */
  #pump(): void {
    const { stream } = this.link;
    stream.cork();
    while (stream.writableLength < STREAM_BYTES) {
      const bytes = this.#queue.take();
      if (bytes === undefined) break;
      this.#queued -= bytes.length;
      // All that is handed over here goes in one system call, so that its last piece tells of the others, too.
      const isLast = this.#queue.length === 0 || stream.writableLength + bytes.length >= STREAM_BYTES;
      stream.write(bytes, isLast ? this.#onWritten : undefined);
    }
    stream.uncork();
    if (this.#ending && this.#queue.length === 0 && !stream.writableEnded) stream.end();
  }

  readonly #onWritten = () => {
    this.#moved++;
    this.#pump();
    this.#receiver?.written();
  };

  get #hasPending(): boolean {
    return (this.#pending?.length ?? 0) > 0;
  }

  /** Hands a frame to the receiver at once where none waits before it. Returns whether it has. */
  #handOver(frame: Frame): boolean {
    if (!this.#flowing || this.#delivering || this.#hasPending || this.#receiver === undefined) return false;
    this.#delivering = true;
    this.#receiver.frame(frame);
    this.#delivering = false;
    return true;
  }

  #deliver(): void {
    // A receiver may stop or change in the middle of what one chunk brought, from within its own call.
    if (this.#delivering) return;
    this.#delivering = true;
    while ((this.#flowing || this.#isBroken) && this.#receiver !== undefined) {
      const frame = this.#pending?.take();
      if (frame === undefined) break;
      this.#receiver.frame(frame);
    }
    this.#delivering = false;
    if (!this.#flowing && !this.#isBroken) return;
    if (this.#closed === undefined) {
      this.link.stream.resume();
    } else if (!this.#hasPending && !this.#isTold) {
      this.#isTold = this.#receiver !== undefined;
      this.#receiver?.closed(this.#closed.error);
    }
  }
}
