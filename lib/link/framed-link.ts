import { EMPTY, fromEvent, ignoreElements, noop, take, type Observable, type SchedulerLike } from 'rxjs';
import { Queue } from '../bounds/queue.js';
import { DATA_FRAME_BYTES, encodeHeader, FRAME, FrameDecoder, type Frame } from './frames.js';
import { linkOf, type Link } from './link.js';
import { LinkWriter, type WriterHost } from './link-writer.js';
import { turn, type Gatherer } from './turn.js';

/** How long a full TLS record is, in bytes: most often another comes right after it. */
const RECORD_BYTES = 16_384;

/** So many chunks are read together, at most. */
const MOST_GATHERED = 32;

const NOTHING = Buffer.alloc(0);

/** Receives from a framed link. */
export interface Receiver {
  frame(frame: Frame): void;
  /** All frames of what has just arrived have been handed over, or are held. */
  heard(): void;
  /** So many bytes of what was written, which were handed to the stream at once, have gone to the system. */
  written(bytes: number): void;
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
export class FramedLink implements Gatherer, WriterHost {
  readonly #wire: Wire;
  readonly #writer: LinkWriter;
  #link: Link;
  #receiver: Receiver | undefined;
  #flowing = false;
  #delivering = false;
  /** Frames that have not been handed over; only where some had to wait. */
  #pending: Queue<Frame> | undefined;
  #moved = 0;
  /** Chunks that are read together with those that follow them at once. */
  #gathered: Buffer[] | undefined;
  #isReading = false;
  #isBroken = false;
  #isDestroyed = false;
  #isTold = false;
  #closed: { readonly error?: Error } | undefined;

  constructor(link: Link, wire: Wire) {
    this.#link = link;
    this.#wire = wire;
    const { stream } = link;
    this.#writer = new LinkWriter(stream, this);
    stream.on('data', (chunk: Buffer) => {
      this.#gather(chunk);
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

  #gather(chunk: Buffer): void {
    const gathered = this.#gathered;
    if (gathered !== undefined) {
      gathered.push(chunk);
      turn.gathered();
      if (gathered.length >= MOST_GATHERED) this.readGathered();
    } else if (chunk.length === RECORD_BYTES) {
      this.#gathered = [chunk];
      turn.begin(this);
    } else {
      this.#writer.corked(() => {
        this.#read(chunk);
        this.#receiver?.heard();
      });
    }
  }

  /** See {@link Gatherer}. What comes while it reads is read behind the rest. It is bulk, which is seldom answered: nothing is held back. */
  readGathered(): void {
    const gathered = this.#gathered;
    if (gathered === undefined || this.#isReading) return;
    this.#isReading = true;
    let read = 0;
    try {
      for (; read < gathered.length && !this.#isOver; read++) this.#read(gathered[read] ?? NOTHING);
    } catch (error) {
      // What a receiver throws concerns one chunk.
      read++;
      throw error;
    } finally {
      this.#isReading = false;
      this.#keepGathered(this.#isOver ? [] : gathered.slice(read));
    }
    this.#receiver?.heard();
  }

  /** Of the gathered chunks those are left that have not been read. */
  #keepGathered(left: Buffer[]): void {
    turn.done((this.#gathered?.length ?? 0) - left.length);
    this.#gathered = left.length > 0 ? left : undefined;
    if (left.length > 0) turn.again(this);
  }

  /** Whether nothing more is read: it was destroyed here, or has brought what cannot be read. */
  get #isOver(): boolean {
    return this.#isDestroyed || this.#closed?.error !== undefined;
  }

  #read(chunk: Buffer): void {
    if (this.#isOver) return;
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
    this.readGathered();
    if (this.#wire.endsWithStream) this.#hold({ type: FRAME.end, payload: Buffer.alloc(0) });
    this.#close();
  }

  #close(error?: Error): void {
    this.#closed ??= error === undefined ? {} : { error };
    this.#deliver();
  }

  /** The receiver learns at once that the link is gone, even if it does not read; but what had arrived comes first. */
  #breakOff(error?: Error): void {
    this.readGathered();
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
    return this.#writer.buffered;
  }

  /** Hands everything that comes from now on to `receiver`, and nothing to the receiver before it. */
  attach(receiver: Receiver): void {
    this.#receiver = receiver;
  }

  /** Reads frames and drops them, until the link closes: for a framed link without an owner. */
  ignore(): void {
    this.attach({ frame: noop, heard: noop, written: noop, closed: noop });
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
    this.#writer.write(this.#wire.encode(type, payload));
    if (type === FRAME.end && this.#wire.endsWithStream) this.end();
  }

  /** See {@link LinkWriter.corked}. */
  corked(action: () => void): void {
    this.#writer.corked(action);
  }

  /** See {@link LinkWriter.corkTurn}. */
  corkTurn(): void {
    this.#writer.corkTurn();
  }

  /** See {@link LinkWriter.setBatch}. */
  setBatch(bytes: number): void {
    this.#writer.setBatch(bytes);
  }

  /** See {@link WriterHost}. */
  onWritten(bytes: number): void {
    this.#moved++;
    this.#receiver?.written(bytes);
  }

  /** Ends the stream after everything that was written. */
  end(): void {
    this.#writer.end();
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

  /** Destroys the link. Drops everything not yet sent, what was written in this turn included, and what has come and was not decoded. */
  destroy(): void {
    this.#isDestroyed = true;
    if (!this.#isReading) this.#keepGathered([]);
    this.link.stream.destroy();
  }

  get #hasPending(): boolean {
    return (this.#pending?.length ?? 0) > 0;
  }

  /** Hands a frame to the receiver at once where none waits before it. Returns whether it has. */
  #handOver(frame: Frame): boolean {
    if (!this.#flowing || this.#delivering || this.#hasPending || this.#receiver === undefined) return false;
    this.#delivering = true;
    try {
      this.#receiver.frame(frame);
    } finally {
      this.#delivering = false;
    }
    return true;
  }

  /** Hands over the frames that have waited, as long as the receiver wants them. Returns whether there were any. */
  #handOverPending(): boolean {
    let hasHandedOver = false;
    this.#delivering = true;
    try {
      while ((this.#flowing || this.#isBroken) && this.#receiver !== undefined) {
        const frame = this.#pending?.take();
        if (frame === undefined) break;
        hasHandedOver = true;
        this.#receiver.frame(frame);
      }
    } finally {
      this.#delivering = false;
    }
    return hasHandedOver;
  }

  #deliver(): void {
    // A receiver may stop or change in the middle of what one chunk brought, from within its own call.
    if (this.#delivering) return;
    if (this.#handOverPending()) this.#receiver?.heard();
    if (!this.#flowing && !this.#isBroken) return;
    if (this.#closed === undefined) {
      this.link.stream.resume();
    } else if (!this.#hasPending && !this.#isTold) {
      this.#isTold = this.#receiver !== undefined;
      this.#receiver?.closed(this.#closed.error);
    }
  }
}
