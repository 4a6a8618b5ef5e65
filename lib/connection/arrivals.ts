import type { SchedulerLike, Subscription } from 'rxjs';
import { ProtocolError } from '../errors.js';
import { FRAME, type Frame } from '../link/frames.js';
import type { TransportLink } from './transport-link.js';

/** What has come is acknowledged at the latest after so many bytes … */
const ACK_BYTES = 65_536;

/** … or so many milliseconds: acknowledging is only to let the peer forget, and to show that somebody is there. */
const ACK_MS = 200;

/** What comes too early waits this long for what is missing, in milliseconds, before that is asked for again. */
const MISSING_MS = 1_000;

/** What it takes to put a peer's stream together. */
export interface ArrivalsConfig {
  readonly scheduler: SchedulerLike;
  /** What is unanswered for so long, in milliseconds, makes the peer doubt. */
  readonly silenceMs: number;
  /** The links of the moment. */
  readonly links: ReadonlySet<TransportLink>;
  /** Whether there is room for more of the peer's bytes; after it was not so, `release` is to be called. */
  readonly hasRoom: () => boolean;
  readonly onData: (bytes: Buffer) => void;
  /** Takes a frame that was held back, data by `take`. Returns false for what cannot be taken yet. */
  readonly handle: (link: TransportLink, frame: Frame) => boolean;
  /** Tells the peer what has come. Returns whether it was told. */
  readonly acknowledge: (received: number) => boolean;
  /** Asks the peer to go on from what has come, on a link. */
  readonly ask: (link: TransportLink, received: number) => void;
  readonly drop: (link: TransportLink) => void;
  /** Does something that may find that the peer does not keep to the protocol. */
  readonly guard: (action: () => void) => void;
}

/**
 * The peer's stream, put together from what comes on several links: each byte once and in order, whatever comes twice or too
 * early. It tells the peer what has come, and asks for what is missing.
 */
export class Arrivals {
  readonly #config: ArrivalsConfig;
  #received = 0;
  #acknowledged = 0;
  #isStopped = false;
  #isReleasing = false;
  #ackTimer: Subscription | undefined;
  #missingTimer: Subscription | undefined;
  #lifeTimer: Subscription | undefined;

  constructor(config: ArrivalsConfig) {
    this.#config = config;
  }

  /** What has come, in bytes. */
  get received(): number {
    return this.#received;
  }

  /** Whether the peer has yet to be told some of what has come. */
  get owesAcknowledgement(): boolean {
    return this.#acknowledged < this.#received;
  }

  /** Whether something was read that finds no room, so that what is behind it is not heard. */
  get isDeaf(): boolean {
    return [...this.#config.links].some((link) => link.held.length > 0 && link.isInOrder(this.#received));
  }

  /** Takes data. Returns false when they cannot be taken yet. */
  take(link: TransportLink, payload: Buffer): boolean {
    const { at, isMet, isStale } = link;
    if (!isMet || at === undefined) throw new ProtocolError('Expected to be told where data begin, got data');
    if (isStale) return true;
    if (at > this.#received) return false;
    if (at + payload.length > this.#received && !this.#config.hasRoom()) return false;
    this.#add(link, at, payload);
    if (this.#config.links.size > 1) this.release();
    return true;
  }

  /** Takes what was held back on a link that broke, whether or not there is room: it is less than one read of a socket. */
  takeRest(link: TransportLink): void {
    for (const frame of link.held.takeAll()) {
      const { at } = link;
      if (this.#isStopped || at === undefined || at > this.#received) return;
      if (frame.type === FRAME.data) this.#add(link, at, frame.payload);
      else this.#config.handle(link, frame);
    }
  }

  /** Holds back what cannot be taken yet. */
  hold(link: TransportLink, frame: Frame): void {
    link.hold(frame);
    this.lookForMissing();
    this.#showLife();
  }

  /** Takes what was held back and can be taken by now. */
  release(): void {
    // What is taken may make room for more, from within its own call.
    if (this.#isReleasing) return;
    this.#isReleasing = true;
    this.#config.guard(() => {
      while (this.#releaseSome());
    });
    this.#isReleasing = false;
    if (!this.#isStopped) this.lookForMissing();
  }

  /** Has what came too early wait for what is missing, where that may still come; else asks for it. */
  lookForMissing(): void {
    const links = [...this.#config.links];
    if (!links.some((link) => link.isEarly(this.#received))) {
      this.#missingTimer?.unsubscribe();
      this.#missingTimer = undefined;
    } else if (!links.some((link) => link.mayBring(this.#received))) {
      this.#askForMissing();
    } else {
      this.#missingTimer ??= this.#config.scheduler.schedule(() => {
        this.#missingTimer = undefined;
        // It may be here, and the reader is slow.
        if (this.isDeaf) this.lookForMissing();
        else this.#askForMissing();
      }, MISSING_MS);
    }
  }

  /** Tells the peer what has come. */
  acknowledge(): void {
    this.#ackTimer?.unsubscribe();
    this.#ackTimer = undefined;
    if (this.#config.acknowledge(this.#received)) this.#acknowledged = this.#received;
  }

  /** Nothing is taken or told any more. */
  stop(): void {
    this.#isStopped = true;
    this.#ackTimer?.unsubscribe();
    this.#missingTimer?.unsubscribe();
    this.#lifeTimer?.unsubscribe();
  }

  #add(link: TransportLink, at: number, payload: Buffer): void {
    const fresh = payload.subarray(this.#received - at);
    link.at = at + payload.length;
    this.#received += fresh.length;
    // On a plain link there is nobody to tell.
    if (link.channel.framed) this.#acknowledgeSoon();
    if (fresh.length > 0) this.#config.onData(fresh);
  }

  #releaseSome(): boolean {
    let hasTaken = false;
    for (const link of this.#config.links) {
      while (link.held.next !== undefined && this.#config.handle(link, link.held.next)) {
        if (this.#isStopped) return false;
        link.held.take();
        hasTaken = true;
      }
      if (link.held.length === 0) link.channel.setFlowing(true);
    }
    return hasTaken;
  }

  #askForMissing(): void {
    this.#missingTimer?.unsubscribe();
    this.#missingTimer = undefined;
    for (const link of this.#config.links) {
      if (!link.isEarly(this.#received)) continue;
      if (link.hasPeerLeft) {
        this.#config.drop(link);
        continue;
      }
      link.isStale = true;
      this.#config.ask(link, this.#received);
    }
    this.release();
  }

  /** Tells the peer what has come: at once when that is much, else before long. */
  #acknowledgeSoon(): void {
    if (this.#received - this.#acknowledged >= ACK_BYTES) this.acknowledge();
    else {
      this.#ackTimer ??= this.#config.scheduler.schedule(() => {
        this.acknowledge();
      }, ACK_MS);
    }
  }

  /** Who does not read does not answer either; but says now and then that it is there. */
  #showLife(): void {
    if (this.isDeaf)
      this.#lifeTimer ??= this.#config.scheduler.schedule(() => {
        this.#lifeTimer = undefined;
        this.acknowledge();
        this.#showLife();
      }, this.#config.silenceMs / 2);
  }
}
