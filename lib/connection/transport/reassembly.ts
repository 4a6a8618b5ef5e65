import type { SchedulerLike, Subscription } from 'rxjs';
import { ProtocolError } from '../../errors.js';
import { encodeOffset, FRAME, type Frame } from '../../link/frames.js';
import type { DelayedAck } from './delayed-ack.js';
import type { StreamHandler, TransportHost } from './host.js';
import type { TransportLink } from './transport-link.js';

/** How long data that came too early wait before the missing bytes are asked for again, in milliseconds. */
const MISSING_MS = 1_000;

/** What reassembly needs. */
export interface ReassemblyConfig {
  readonly scheduler: SchedulerLike;
  /** Takes the stream. */
  readonly stream: Pick<StreamHandler, 'hasRoom' | 'onData'>;
  /** Learns when the peer has broken the protocol. */
  readonly host: Pick<TransportHost, 'onFault'>;
}

/** The parts of a transport that reassembly needs. */
export interface ReassemblyParts {
  /** The current links. */
  readonly links: readonly TransportLink[];
  /** Tells the peer what has arrived. */
  readonly ack: DelayedAck;
  /** Handles a frame that was held back; `data` frames come to {@link Reassembly.take}. Returns false when it has to wait longer. */
  handle(link: TransportLink, frame: Frame): boolean;
  /** Drops a link. */
  drop(link: TransportLink): void;
}

/**
 * The peer's stream, put together from several links: each byte once and in order, even if bytes come twice or too early. It asks for
 * missing bytes.
 */
export class Reassembly {
  readonly #config: ReassemblyConfig;
  readonly #parts: ReassemblyParts;
  #received = 0;
  #isStopped = false;
  #isReleasing = false;
  #isTaking = false;
  #missingTimer: Subscription | undefined;

  constructor(config: ReassemblyConfig, parts: ReassemblyParts) {
    this.#config = config;
    this.#parts = parts;
  }

  /** How much of the stream has arrived without a gap, in bytes. */
  get received(): number {
    return this.#received;
  }

  /**
   * Takes data. Returns false when they have to wait.
   *
   * @throws ProtocolError when the peer has not said at which offset they begin.
   */
  take(link: TransportLink, payload: Buffer): boolean {
    const { at, isMet, isStale } = link;
    if (!isMet || at === undefined) throw new ProtocolError('Expected to be told where data begin, got data');
    if (isStale) return true;
    if (at > this.#received) return false;
    if (at + payload.length > this.#received && !this.#config.stream.hasRoom()) return false;
    this.#add(link, at, payload);
    if (this.#parts.links.length > 1) this.release();
    return true;
  }

  /** Takes what was held back on a link that broke, even if there is no room: it is what the sockets had in one turn of the event loop, at most half a mebibyte. */
  takeRest(link: TransportLink): void {
    for (const frame of link.takeHeld()) {
      const { at } = link;
      if (this.#isStopped || at === undefined || at > this.#received) return;
      if (frame.type === FRAME.data) this.#add(link, at, frame.payload);
      else this.#parts.handle(link, frame);
    }
  }

  /** Holds back what cannot be taken yet. */
  hold(link: TransportLink, frame: Frame): void {
    link.hold(frame);
    this.lookForMissing();
  }

  /** Takes what was held back and need not wait any more. */
  release(): void {
    // The layer above may call this again while it takes data.
    if (this.#isReleasing || this.#isTaking) return;
    this.#isReleasing = true;
    try {
      while (this.#releaseSome());
    } catch (error) {
      this.#config.host.onFault(error);
    }
    this.#isReleasing = false;
    if (!this.#isStopped) this.lookForMissing();
  }

  /** Waits for missing bytes if another link may still bring them; else asks for them. */
  lookForMissing(): void {
    const { links } = this.#parts;
    if (!links.some((link) => link.isEarly(this.#received))) {
      this.#missingTimer?.unsubscribe();
      this.#missingTimer = undefined;
    } else if (!links.some((link) => link.mayBring(this.#received))) {
      this.#askForMissing();
    } else {
      this.#missingTimer ??= this.#config.scheduler.schedule(() => {
        this.#missingTimer = undefined;
        this.#askForMissing();
      }, MISSING_MS);
    }
  }

  /** Nothing is taken any more. */
  stop(): void {
    this.#isStopped = true;
    this.#missingTimer?.unsubscribe();
  }

  #add(link: TransportLink, at: number, payload: Buffer): void {
    const fresh = link.advance(at, payload, this.#received);
    this.#received += fresh.length;
    // A plain link has no acknowledgements.
    if (link.framed.hasControlFrames) this.#parts.ack.advance(this.#received);
    if (fresh.length === 0) return;
    // The next bytes, which another link may hold, come when these have been taken whole.
    this.#isTaking = true;
    try {
      this.#config.stream.onData(fresh);
    } finally {
      this.#isTaking = false;
    }
  }

  #releaseSome(): boolean {
    const take = (link: TransportLink, frame: Frame) => this.#parts.handle(link, frame) && !this.#isStopped;
    let hasTaken = false;
    for (const link of this.#parts.links) {
      // One that a frame of another has dropped is skipped.
      if (!this.#parts.links.includes(link)) continue;
      if (link.release(take)) hasTaken = true;
      if (this.#isStopped) return false;
    }
    return hasTaken;
  }

  #askForMissing(): void {
    this.#missingTimer?.unsubscribe();
    this.#missingTimer = undefined;
    for (const link of this.#parts.links) {
      if (!link.isEarly(this.#received)) continue;
      if (link.hasPeerLeft) {
        this.#parts.drop(link);
        continue;
      }
      link.isStale = true;
      link.framed.write(FRAME.resume, encodeOffset(this.#received));
    }
    this.release();
  }
}
