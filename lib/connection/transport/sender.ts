import type { SchedulerLike } from 'rxjs';
import { ClosedError, ProtocolError } from '../../errors.js';
import type { FramedLink } from '../../link/framed-link.js';
import { DATA_FRAME_BYTES, FRAME } from '../../link/frames.js';
import type { StreamHandler } from './host.js';
import { LEAST_QUEUE_BYTES, QueueLimit } from './queue-limit.js';
import { SendBuffer } from './send-buffer.js';

/** Where in the stream to go on sending: at an offset, after what the peer has acknowledged, or where sending stopped. */
export type SendFrom = number | 'acknowledged' | 'here';

/** What sending needs. */
export interface SenderConfig {
  readonly scheduler: SchedulerLike;
  /** How many bytes may be sent that the peer has not acknowledged. */
  readonly unacknowledgedBytes: number;
  /** Makes the stream. */
  readonly stream: Pick<StreamHandler, 'waiting' | 'next' | 'release'>;
}

/** Whose stream is sent. */
export interface SenderHost {
  /** Called when data were sent that the peer has to acknowledge. */
  onOwed(): void;
}

/** This side's stream: sends it, and keeps what may have to be sent again. */
export class Sender {
  readonly #config: SenderConfig;
  readonly #host: SenderHost;
  readonly #buffer: SendBuffer;
  /** How many bytes of the stream the peer has confirmed: more than the buffer counts while some are being sent again. */
  #peerHas = 0;
  #end: Buffer | undefined;
  #isEndSent = false;
  /** The offset of this side's `end` frame. After it comes only credit, so that the peer can finish its own stream. */
  #endAt: number | undefined;
  #isPumping = false;
  /** Only where the link has been full. */
  #queueLimit: QueueLimit | undefined;

  constructor(config: SenderConfig, host: SenderHost) {
    this.#config = config;
    this.#host = host;
    this.#buffer = new SendBuffer(config.stream);
  }

  /** The offset of the next data. */
  get position(): number {
    return this.#buffer.position;
  }

  /** How many bytes have not been handed to a link yet. */
  get waiting(): number {
    return this.#config.stream.waiting() + this.#buffer.end - this.#buffer.position;
  }

  /** Whether nothing waits and the peer has acknowledged everything; once the `end` frame was sent, everything before that. */
  get isAcknowledged(): boolean {
    if (this.#endAt !== undefined) return this.#buffer.base >= this.#endAt;
    return this.#buffer.base === this.#buffer.end && this.#config.stream.waiting() === 0;
  }

  /** How many bytes of the stream the peer has confirmed. */
  get acknowledged(): number {
    return this.#buffer.base;
  }

  /** Whether the peer has yet to acknowledge something that was sent. */
  get isOwed(): boolean {
    return this.#buffer.base < this.#buffer.position;
  }

  /** Ends the stream after the bytes that wait. */
  end(payload: Buffer): void {
    this.#end = payload;
  }

  /**
   * The peer has everything before an offset. Returns whether that is new.
   *
   * @throws ProtocolError when that much was never sent.
   */
  acknowledge(offset: number): boolean {
    const { base, position, written } = this.#buffer;
    if (offset > written) throw new ProtocolError(`Expected an acknowledgement of up to ${written}, got ${offset}`);
    this.#peerHas = Math.max(this.#peerHas, offset);
    // Beyond `position` while bytes are being written again: they will be acknowledged again.
    if (offset <= base || offset > position) return false;
    this.#buffer.acknowledge(offset);
    return true;
  }

  /**
   * The peer asks for the stream from an offset.
   *
   * @throws ProtocolError when that much was never sent; ClosedError when the bytes are not kept any more, although the peer lacks them.
   */
  expectToHave(offset: number): void {
    const { base, written } = this.#buffer;
    if (offset > written) throw new ProtocolError(`Expected to be asked for bytes up to ${written}, got ${offset}`);
    // The request may have come late, on a slow link: the bytes may have arrived by another link meanwhile.
    if (offset < base && this.#peerHas < base)
      throw new ClosedError('The link broke while nobody read here, and what it had is lost');
  }

  /** Goes on with another link. What the peer has acknowledged is never sent again. */
  restart(from: SendFrom): void {
    if (from !== 'here') this.#buffer.rewind(Math.max(this.#buffer.base, from === 'acknowledged' ? 0 : from));
    this.#queueLimit = undefined;
    // A repeated end is harmless; a lost one would go unnoticed.
    this.#isEndSent = false;
  }

  /** Hands the link a little at a time, so that the rest can still go by another link. */
  pump(framed: FramedLink): void {
    // A writer that learns that its bytes were sent may write more, and call this again.
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      framed.corked(() => {
        this.#fill(framed);
      });
    } finally {
      this.#isPumping = false;
    }
    if (this.waiting === 0) this.#sendEnd(framed);
  }

  /** So many bytes, which the link was handed at once, have gone to the system. */
  written(bytes: number): void {
    this.#queueLimit?.written(bytes, this.#config.scheduler.now());
  }

  get #queueBytes(): number {
    return this.#queueLimit?.bytes ?? LEAST_QUEUE_BYTES;
  }

  #fill(framed: FramedLink): void {
    const { unacknowledgedBytes, scheduler } = this.#config;
    const buffer = this.#buffer;
    const most = this.#queueBytes;
    framed.setBatch(most / 2);
    while (buffer.position - buffer.base < unacknowledgedBytes) {
      if (framed.buffered >= most) {
        this.#queueLimit ??= new QueueLimit(scheduler.now());
        return;
      }
      if (!this.#sendPiece(framed)) return;
    }
  }

  /** Hands the link everything that is left and that the peer gives credit for. */
  flush(framed: FramedLink): void {
    while (this.#sendPiece(framed));
    this.#sendEnd(framed);
  }

  #sendPiece(framed: FramedLink): boolean {
    const buffer = this.#buffer;
    if (buffer.position === buffer.end) {
      const fresh = this.#config.stream.next();
      if (fresh === undefined) return false;
      buffer.push(fresh);
    }
    const bytes = buffer.take(DATA_FRAME_BYTES);
    if (bytes === undefined) return false;
    framed.write(FRAME.data, bytes);
    // A plain link has no acknowledgements.
    if (!framed.hasControlFrames) buffer.acknowledge(buffer.position);
    else this.#host.onOwed();
    return true;
  }

  #sendEnd(framed: FramedLink): void {
    if (this.#end === undefined || this.#isEndSent) return;
    this.#isEndSent = true;
    this.#endAt ??= this.#buffer.end;
    framed.write(FRAME.end, this.#end);
  }
}
