import { ClosedError, ProtocolError } from '../../errors.js';
import type { FramedLink } from '../../link/framed-link.js';
import { DATA_FRAME_BYTES, FRAME } from '../../link/frames.js';
import { SendBuffer } from './send-buffer.js';

/** So many bytes wait in a link: enough to keep it busy, few to be sent again elsewhere. */
export const LINK_BYTES = 131_072;

/** Where in the stream sending goes on: at an offset, behind what the peer has acknowledged, or where it is. */
export type SendFrom = number | 'acknowledged' | 'here';

/** What it takes to send. */
export interface SenderConfig {
  /** Bytes that the peer has not acknowledged, at most; then nothing is sent until it does. */
  readonly unacknowledgedBytes: number;
  /** Whether nothing of the peer's is read at the moment, acknowledgements included. */
  readonly isDeaf: () => boolean;
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

  constructor(config: SenderConfig) {
    this.#config = config;
  }

  /** Where in the stream the next data are. */
  get position(): number {
    return this.#buffer.position;
  }

  /** What has not been handed to a link yet, in bytes. */
  get waiting(): number {
    return this.#buffer.end - this.#buffer.position;
  }

  /** Whether the peer has said to have all of the stream. */
  get isAcknowledged(): boolean {
    return this.#buffer.base === this.#buffer.end;
  }

  /** Whether the peer has yet to acknowledge something that was sent. */
  get isOwed(): boolean {
    return this.#buffer.base < this.#buffer.position;
  }

  /** Adds bytes to the stream. They must not be changed any more. */
  push(bytes: Buffer): void {
    this.#buffer.push(bytes);
  }

  /** Ends the stream behind all that was pushed. */
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
    const buffer = this.#buffer;
    while (framed.buffered < LINK_BYTES && buffer.position < buffer.end) {
      if (buffer.position - buffer.base >= this.#config.unacknowledgedBytes) {
        // While this side reads nothing it hears no acknowledgements either; it does not stop writing for that.
        if (!this.#config.isDeaf()) return;
        buffer.acknowledge(buffer.position);
      }
      this.#sendPiece(framed);
      // On a plain link there is nobody to acknowledge.
      if (!framed.hasControlFrames) buffer.acknowledge(buffer.position);
      else this.#config.onOwed();
    }
    if (buffer.position === buffer.end) this.#sendEnd(framed);
  }

  /** Hands the link all that is left. */
  flush(framed: FramedLink): void {
    while (this.#sendPiece(framed));
    this.#sendEnd(framed);
  }

  #sendPiece(framed: FramedLink): boolean {
    const bytes = this.#buffer.take(DATA_FRAME_BYTES);
    if (bytes !== undefined) framed.write(FRAME.data, bytes);
    return bytes !== undefined;
  }

  #sendEnd(framed: FramedLink): void {
    if (this.#end === undefined || this.#isEndSent) return;
    this.#isEndSent = true;
    framed.write(FRAME.end, this.#end);
  }
}
