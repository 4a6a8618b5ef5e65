import { ClosedError, ProtocolError } from '../../errors.js';
import type { FramedLink } from '../../link/framed-link.js';
import { DATA_FRAME_BYTES, FRAME } from '../../link/frames.js';
import type { StreamHandler } from './host.js';
import { SendBuffer } from './send-buffer.js';

/** So many bytes wait in a link: enough to keep it busy, few to be sent again elsewhere. */
export const LINK_BYTES = 131_072;

/** Where in the stream sending goes on: at an offset, behind what the peer has acknowledged, or where it is. */
export type SendFrom = number | 'acknowledged' | 'here';

/** What it takes to send. */
export interface SenderConfig {
  /** Bytes that the peer has not acknowledged, at most; then nothing is sent until it does. */
  readonly unacknowledgedBytes: number;
  /** Makes the stream. */
  readonly stream: Pick<StreamHandler, 'waiting' | 'next'>;
  /** Called when data were sent that the peer has to acknowledge. */
  readonly onOwed: () => void;
}

/** This side's stream: what is sent of it, and what may have to be sent again. */
export class Sender {
  readonly #config: SenderConfig;
  readonly #buffer = new SendBuffer();
  /** How much of the stream the peer has said to have, in bytes: more than is acknowledged while some is being sent again. */
  #peerHas = 0;
  #end: Buffer | undefined;
  #isEndSent = false;
  /** Where in the stream its end was sent: behind it there is only what lets the peer come to its own. */
  #endAt: number | undefined;
  #isPumping = false;

  constructor(config: SenderConfig) {
    this.#config = config;
  }

  /** Where in the stream the next data are. */
  get position(): number {
    return this.#buffer.position;
  }

  /** What has not been handed to a link yet, in bytes. */
  get waiting(): number {
    return this.#config.stream.waiting() + this.#buffer.end - this.#buffer.position;
  }

  /** Whether the peer has said to have all of the stream, up to its end where that has been sent. */
  get isAcknowledged(): boolean {
    if (this.#endAt !== undefined) return this.#buffer.base >= this.#endAt;
    return this.#buffer.base === this.#buffer.end && this.#config.stream.waiting() === 0;
  }

  /** How much of the stream the peer has said to have, in bytes. */
  get acknowledged(): number {
    return this.#buffer.base;
  }

  /** Whether the peer has yet to acknowledge something that was sent. */
  get isOwed(): boolean {
    return this.#buffer.base < this.#buffer.position;
  }

  /** Ends the stream behind all that waits. */
  end(payload: Buffer): void {
    this.#end = payload;
  }

  /**
   * The peer has all before an offset. Returns whether that is news.
   *
   * @throws ProtocolError when so much was never sent.
   */
  acknowledge(offset: number): boolean {
    const { base, position, written } = this.#buffer;
    if (offset > written) throw new ProtocolError(`Expected an acknowledgement of up to ${written}, got ${offset}`);
    this.#peerHas = Math.max(this.#peerHas, offset);
    // What is being written again is acknowledged again.
    if (offset <= base || offset > position) return false;
    this.#buffer.acknowledge(offset);
    return true;
  }

  /**
   * The peer asks for the stream from an offset.
   *
   * @throws ProtocolError when so much was never sent; ClosedError when it is not kept any more, and the peer does not have it.
   */
  expectToHave(offset: number): void {
    const { base, written } = this.#buffer;
    if (offset > written) throw new ProtocolError(`Expected to be asked for bytes up to ${written}, got ${offset}`);
    // The peer may have asked on a slow link for bytes that have come by another meanwhile.
    if (offset < base && this.#peerHas < base)
      throw new ClosedError('The link broke while nobody read here, and what it had is lost');
  }

  /** Another link is to be sent on; what the peer has acknowledged is never sent again. */
  restart(from: SendFrom): void {
    if (from !== 'here') this.#buffer.rewind(Math.max(this.#buffer.base, from === 'acknowledged' ? 0 : from));
    // A repeated end is harmless; a lost one would go unnoticed.
    this.#isEndSent = false;
  }

  /** Hands the link a little at a time, so that what waits can go by another. */
  pump(framed: FramedLink): void {
    // Whoever learns that its bytes are on their way may have more, from within its own call.
    if (this.#isPumping) return;
    this.#isPumping = true;
    const { unacknowledgedBytes } = this.#config;
    const buffer = this.#buffer;
    while (framed.buffered < LINK_BYTES && buffer.position - buffer.base < unacknowledgedBytes)
      if (!this.#sendPiece(framed)) break;
    this.#isPumping = false;
    if (this.waiting === 0) this.#sendEnd(framed);
  }

  /** Hands the link all that is left, and that the peer takes. */
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
    // On a plain link there is nobody to acknowledge.
    if (!framed.hasControlFrames) buffer.acknowledge(buffer.position);
    else this.#config.onOwed();
    return true;
  }

  #sendEnd(framed: FramedLink): void {
    if (this.#end === undefined || this.#isEndSent) return;
    this.#isEndSent = true;
    this.#endAt ??= this.#buffer.end;
    framed.write(FRAME.end, this.#end);
  }
}
