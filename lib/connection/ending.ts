import { interval, noop, type SchedulerLike, type Subscription } from 'rxjs';
import { encodeEnd, type End } from '../link/handshake.js';
import { CLOSE_UNANSWERED, peersReason, type CloseReason } from './close-reason.js';
import type { StreamLayer } from './channels/stream-layer.js';
import type { Transport } from './transport/transport.js';

/** After an error, the peer gets this long to read why the connection ends, in milliseconds. */
const FAULT_GRACE_MS = 1000;

/** What ending a connection needs. */
export interface EndingConfig {
  readonly scheduler: SchedulerLike;
  /** A connection that is being closed is dropped when no byte has moved for this long, in milliseconds. */
  readonly closeMs: number;
  /** Whether the peer acknowledges what it has received. On a plain link it cannot. */
  readonly isFramed: boolean;
  readonly streams: Pick<StreamLayer, 'hasReader' | 'isReading' | 'closeInbox' | 'closeOutbox'>;
  readonly transport: Pick<Transport, 'isAcknowledged' | 'lastLink' | 'progress' | 'end' | 'readOn' | 'close'>;
  /** Called once, when the connection has ended: nothing is sent or received any more. */
  onClosed(reason: CloseReason): void;
}

/**
 * How a connection ends. In an orderly close, each side sends `end` after everything else that it sends. The second side does so once
 * its readers have read everything. Both wait until the other has acknowledged everything. Any other ending happens at once.
 */
export class Ending {
  readonly #config: EndingConfig;
  /** The reason in the `end` that this side has sent. */
  #said: CloseReason | undefined;
  /** The reason in the `end` that the peer has sent. */
  #heard: CloseReason | undefined;
  #isClosed = false;
  #movement: Subscription | undefined;

  constructor(config: EndingConfig) {
    this.#config = config;
  }

  /** Whether this side has not begun to end the connection. */
  get isOpen(): boolean {
    return this.#said === undefined && !this.#isClosed;
  }

  /** Whether the connection has ended. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether what the peer still sends is to be dropped. */
  get ignoresData(): boolean {
    return this.#isClosing && !this.#config.streams.hasReader;
  }

  /** Begins an orderly close: this side sends nothing more. */
  close(reason: CloseReason): void {
    if (!this.isOpen) return;
    this.#say(reason);
    this.#said = reason;
    // Not before the peer has everything: some of it may have to be sent again.
    if (this.#heard !== undefined && this.#isAllThere) this.finish(reason);
    else {
      this.#config.transport.readOn();
      this.#expectMovement();
    }
  }

  /** Ends the connection at once, but tells the peer why. */
  end(reason: CloseReason): void {
    if (this.isOpen) this.#say(reason);
    this.finish(reason);
  }

  /** Ends the connection at once, without telling the peer. What was sent before still goes out. */
  finish(reason: CloseReason): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { streams, transport, closeMs } = this.#config;
    this.#movement?.unsubscribe();
    streams.closeOutbox(reason);
    // The end that this side has said may still wait behind data, which now do not arrive.
    if (this.#said !== undefined && reason.code !== 'closed') transport.end(encodeEnd(reason));
    transport.close(reason.code === 'closed' ? closeMs : FAULT_GRACE_MS);
    streams.closeInbox('cut');
    this.#config.onClosed(reason);
  }

  /** Ends the connection at once, and drops everything not yet sent. */
  drop(reason: CloseReason): void {
    this.finish(reason);
    this.#config.transport.lastLink.destroy();
  }

  /** The peer has sent its `end`, and everything before it has arrived. */
  peerEnds(end: End): void {
    const reason = peersReason(end);
    this.#heard ??= reason;
    this.#config.streams.closeInbox('ended');
    if (reason.code !== 'closed') this.finish(this.#said !== undefined && this.#isAllThere ? this.#said : reason);
    else if (this.#said !== undefined) {
      if (this.#isAllThere) this.finish(this.#said);
    }
    // A reader may still send an answer: `delivered` is called when it has read everything.
    else if (!this.#config.streams.isReading) this.close(reason);
  }

  /** Everything the peer has sent on a channel has been read, or its readers have left. */
  delivered(): void {
    if (this.#heard !== undefined && !this.#config.streams.isReading) this.close(this.#heard);
  }

  /** The peer has acknowledged everything sent so far. */
  acknowledged(): void {
    if (this.#heard !== undefined && this.#said !== undefined) this.finish(this.#said);
  }

  /** The peer refuses another link. That ends the connection only if the peer says that it has lost or closed it. */
  refused(end: End): void {
    const reason = peersReason(end);
    if (end.code === 'closed' || (end.code === 'lost' && this.#isClosing && this.#config.transport.isAcknowledged))
      this.finish(this.#said ?? reason);
    else if (end.code === 'lost') this.finish(reason);
  }

  /** The last link is gone. Returns whether that ends the connection in order, since nothing was missing. */
  lost(): boolean {
    const isLate = this.#isClosing && this.#config.transport.isAcknowledged && !this.#config.streams.hasReader;
    if (this.#heard !== undefined && this.#isAllThere) this.finish(this.#heard);
    else if (isLate && this.#said !== undefined) this.finish(this.#said);
    return this.#isClosed;
  }

  #say(reason: CloseReason): void {
    this.#config.streams.closeOutbox(reason);
    this.#config.transport.end(encodeEnd(reason));
  }

  /** Waits for the peer's `end` for as long as bytes move in either direction. */
  #expectMovement(): void {
    const { transport, scheduler, closeMs } = this.#config;
    let before = transport.progress;
    this.#movement = interval(closeMs, scheduler).subscribe({
      next: () => {
        const { progress } = transport;
        if (progress === before) this.drop(CLOSE_UNANSWERED);
        before = progress;
      },
      error: noop,
    });
  }

  get #isClosing(): boolean {
    return this.#said !== undefined && !this.#isClosed;
  }

  /** Whether the peer has acknowledged everything. On a plain link nobody acknowledges, so it counts as yes. */
  get #isAllThere(): boolean {
    return !this.#config.isFramed || this.#config.transport.isAcknowledged;
  }
}
