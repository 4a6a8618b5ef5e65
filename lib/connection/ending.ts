import { interval, noop, type SchedulerLike, type Subscription } from 'rxjs';
import { encodeEnd, type End } from '../link/handshake.js';
import { CLOSE_UNANSWERED, peersReason, type CloseReason } from './close-reason.js';
import type { StreamLayer } from './channels/stream-layer.js';
import type { Transport } from './transport/transport.js';

/** A peer that broke the rules gets this long to take in why, in milliseconds. */
const FAULT_GRACE_MS = 1000;

/** What is ended, and how patiently. */
export interface EndingConfig {
  readonly scheduler: SchedulerLike;
  /** While the connection is being closed, it is given up when nothing has moved for so long, in milliseconds. */
  readonly closeMs: number;
  /** Whether the peer can say what it has. On a plain link it cannot. */
  readonly isFramed: boolean;
  readonly streams: Pick<StreamLayer, 'hasReader' | 'isReading' | 'closeInbox' | 'closeOutbox'>;
  readonly transport: Pick<Transport, 'isAcknowledged' | 'lastLink' | 'progress' | 'end' | 'readOn' | 'close'>;
  /** Called once, when it is over: nothing is sent or taken any more. */
  readonly onClosed: (reason: CloseReason) => void;
}

/**
 * How a connection ends. In order, each side says that it is at its end, behind all that it sends; the second does so once its
 * readers have read all, and both wait until the other has acknowledged everything. Otherwise it ends at once.
 */
export class Ending {
  readonly #config: EndingConfig;
  /** Why this side has said that it is at its end. */
  #said: CloseReason | undefined;
  /** Why the peer has said so. */
  #heard: CloseReason | undefined;
  #isClosed = false;
  #movement: Subscription | undefined;

  constructor(config: EndingConfig) {
    this.#config = config;
  }

  /** Whether neither this side has said that it is at its end, nor the connection is over. */
  get isOpen(): boolean {
    return this.#said === undefined && !this.#isClosed;
  }

  /** Whether it is over. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether what the peer still sends is for nobody. */
  get ignoresData(): boolean {
    return this.#isClosing && !this.#config.streams.hasReader;
  }

  /** This side sends nothing more: the connection ends in order. */
  close(reason: CloseReason): void {
    if (!this.isOpen) return;
    this.#say(reason);
    this.#said = reason;
    // What is on its way to a peer that has ended may have to be sent again.
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

  /** Ends the connection at once. What was sent still goes out. */
  finish(reason: CloseReason): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { streams, transport, closeMs, onClosed } = this.#config;
    this.#movement?.unsubscribe();
    streams.closeOutbox(reason);
    transport.close(reason.code === 'closed' ? closeMs : FAULT_GRACE_MS);
    streams.closeInbox('cut');
    onClosed(reason);
  }

  /** Ends the connection at once, with all that is still on its way. */
  drop(reason: CloseReason): void {
    this.finish(reason);
    this.#config.transport.lastLink.destroy();
  }

  /** The peer says that it sends nothing more, and all that it has sent has come. */
  peerEnds(end: End): void {
    const reason = peersReason(end);
    this.#heard ??= reason;
    this.#config.streams.closeInbox('ended');
    if (reason.code !== 'closed') this.finish(this.#said ?? reason);
    else if (this.#said !== undefined) {
      if (this.#isAllThere) this.finish(this.#said);
    }
    // Somebody who still reads may have something to answer: `delivered` tells when that is over.
    else if (!this.#config.streams.isReading) this.close(reason);
  }

  /** All that the peer has sent on a channel has been read, or readers have gone, maybe in the middle of it. */
  delivered(): void {
    if (this.#heard !== undefined && !this.#config.streams.isReading) this.close(this.#heard);
  }

  /** The peer has acknowledged all that was sent. */
  acknowledged(): void {
    if (this.#heard !== undefined && this.#said !== undefined) this.finish(this.#said);
  }

  /** The peer refuses a further link. That is no reason to end, but that it has lost its side, or closed it, is. */
  refused(end: End): void {
    const reason = peersReason(end);
    if (end.code === 'closed' || (end.code === 'lost' && this.#isClosing && this.#config.transport.isAcknowledged))
      this.finish(this.#said ?? reason);
    else if (end.code === 'lost') this.finish(reason);
  }

  /** There is no link any more. Returns whether the connection has ended by that, in order: nothing was missing. */
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

  /** The peer's end is waited for as long as either stream goes on. */
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

  /** Whether nothing of what was sent is missing at the peer's, as far as that can be known: on a plain link it cannot. */
  get #isAllThere(): boolean {
    return !this.#config.isFramed || this.#config.transport.isAcknowledged;
  }
}
