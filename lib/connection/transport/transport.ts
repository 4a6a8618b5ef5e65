import type { Observable } from 'rxjs';
import { DialError, ProtocolError } from '../../errors.js';
import type { FramedLink } from '../../link/framed-link.js';
import { decodeAt, decodeOffset, encodeOffset, FRAME, type Frame } from '../../link/frames.js';
import { decodeHello, type Hello } from '../../link/handshake.js';
import { Changes } from './changes.js';
import { DelayedAck, type DelayedAckHost } from './delayed-ack.js';
import type { TransportConfig } from './host.js';
import { isWanted, type Need } from './link-choice.js';
import { Links, type LinksParts } from './links.js';
import { Liveness, type LivenessHost } from './liveness.js';
import { Reassembly, type ReassemblyParts } from './reassembly.js';
import { MOST_QUEUE_BYTES } from './queue-limit.js';
import { Sender, type SenderHost } from './sender.js';
import type { LinkHandler, TransportLink } from './transport-link.js';

// How one stream of bytes in each direction goes over links that come and go:
//
// - Each side keeps what it has sent until the peer acknowledges it (`ack`), by offsets in the stream (Sender, SendBuffer).
// - Before data on a link comes an `at` frame with their offset in the stream. So bytes that come twice are dropped; bytes that come
//   too early are held back until the missing ones have come on the link before (Reassembly).
// - The side with the greater key is controlling (as in ICE, RFC 8445): it chooses the link, and numbers its choices. The other side
//   follows the latest choice that it knows of. After its last data on a link the controlling side sends `leave`, the other answers
//   with `leave`, and the link is closed (Links, LinkChoice).
// - A side that has lost its link says so in the hello on the next (`lost`, and how much it has `received`). Both go on from what the
//   other has. `resume` asks for missing bytes that would not come otherwise.
// - A link on which the peer owes an answer for too long is doubtful: another is looked for beside it (Liveness).

/** A peer that does not read gets no more answers and acknowledgements when this many bytes wait in the link. */
const UNREAD_BYTES = MOST_QUEUE_BYTES * 2;

/** Frames that make this side act. */
const MAKES_US_ACT: ReadonlySet<number> = new Set([FRAME.at, FRAME.leave, FRAME.resume, FRAME.locator]);

/**
 * A stream of bytes in each direction to one peer: each byte once and in order, over links that come and go. What the bytes mean
 * is for the layer above.
 *
 * Its parts ask it for what they need: with closures and objects for each of them, an idle connection would take a third more memory.
 */
export class Transport implements DelayedAckHost, LinkHandler, LinksParts, LivenessHost, ReassemblyParts, SenderHost {
  /** See {@link LinksParts}. */
  readonly liveness: Liveness;
  /** See {@link LinksParts}. */
  readonly sender: Sender;
  /** See {@link ReassemblyParts}. */
  readonly ack: DelayedAck;

  readonly #config: TransportConfig;
  readonly #links: Links;
  readonly #reassembly: Reassembly;
  readonly #changes = new Changes();
  #isClosed = false;

  /**
   * @param isMet whether the peer has said hello on the first link. If not, this side sends on it all the same.
   */
  constructor(framed: FramedLink, isMet: boolean, config: TransportConfig) {
    this.#config = config;
    this.liveness = new Liveness(config, this);
    this.sender = new Sender(config, this);
    this.#links = new Links(framed, isMet, config, this);
    this.ack = new DelayedAck(config.scheduler, this);
    this.#reassembly = new Reassembly(config, this);
  }

  /** See {@link LivenessHost}. */
  get hasLink(): boolean {
    return this.currentLink !== undefined;
  }

  /** See {@link LivenessHost}. */
  onTrustChange(): void {
    this.#links.tellNeed();
  }

  /** See {@link SenderHost}. */
  onOwed(): void {
    this.liveness.expectAnswer();
    this.ack.along();
  }

  /** See {@link ReassemblyParts}. */
  get links(): readonly TransportLink[] {
    return this.#links.all;
  }

  /** See {@link ReassemblyParts}. */
  drop(link: TransportLink): void {
    this.#links.drop(link);
  }

  /** The link that this side sends on. */
  get currentLink(): FramedLink | undefined {
    return this.#links.current?.framed;
  }

  /** The link that this side has sent on last, even if it is lost by now or the transport is closed. */
  get lastLink(): FramedLink {
    return this.#links.lastLink;
  }

  /** How many bytes of the peer's stream have arrived. */
  get received(): number {
    return this.#reassembly.received;
  }

  /** When no link works: the number of the choice whose link is lost or doubtful. */
  get lost(): number | undefined {
    return this.#links.lost;
  }

  /** How many sent bytes have not gone to the system yet. */
  get buffered(): number {
    return this.sender.waiting + (this.#links.current?.framed.buffered ?? 0);
  }

  /** Whether the peer has acknowledged everything sent. */
  get isAcknowledged(): boolean {
    return this.sender.isAcknowledged;
  }

  /**
   * Grows as either stream moves forward; heartbeats alone do not count. On a plain link, which has no acknowledgements, it grows with
   * each byte on the link.
   */
  get progress(): number {
    return this.lastLink.hasControlFrames ? this.sender.acknowledged + this.received : this.lastLink.moved;
  }

  /** Which link it needs at the moment. */
  get need(): Need {
    return this.#links.need;
  }

  /** Which link it needs at the moment, and whenever that changes. Completes when it is closed. */
  get need$(): Observable<Need> {
    return this.#links.need$;
  }

  /** Emits whenever something has arrived on the current link. */
  get heard$(): Observable<void> {
    return this.liveness.heard$;
  }

  /** Whether one more link may be added; never once it is closed. */
  get hasRoom(): boolean {
    return this.#links.hasRoom;
  }

  /** Whether this link is needed. */
  wants({ link }: FramedLink): boolean {
    return isWanted(link, this.need);
  }

  /** Starts sending and receiving on the first link. Call it once, when `host` and `stream` are ready. */
  start(): void {
    this.#links.start();
    this.#links.current?.attach(this);
  }

  /** There is something to send. */
  pump(): void {
    if (this.currentLink !== undefined) this.sender.pump(this.currentLink);
  }

  /** Ends the stream after everything that was written. */
  end(payload: Buffer): void {
    this.sender.end(payload);
    // If everything it sent is acknowledged, the peer can close as soon as it gets the `end`.
    this.ack.flush();
    this.pump();
  }

  /** Sends a frame that is not part of the stream, on the current link; without a link it does nothing. */
  say(type: number, payload: Buffer): void {
    this.currentLink?.write(type, payload);
  }

  /** Asks the peer for a sign of life. */
  ping(payload: Buffer): void {
    this.liveness.pinged(payload);
    this.say(FRAME.ping, payload);
    if (this.currentLink !== undefined) this.liveness.expectAnswer();
  }

  /** Adds a link on which this side has said hello, and the peer has not yet. */
  offer(framed: FramedLink): void {
    const link = this.#links.add(framed, false);
    link.attach(this);
    const { handshakeMs, scheduler } = this.#config;
    link.expectHello(handshakeMs, scheduler, () => {
      this.#links.drop(link);
    });
  }

  /** Adds a link that the peer has made, and on which both sides have said hello. */
  take(framed: FramedLink, hello: Hello): void {
    const link = this.#links.add(framed, true);
    link.attach(this);
    this.#guard(() => {
      this.#onHello(link, hello);
    });
  }

  /** Drops all links, and starts both streams over on another, on which both sides have said hello. */
  restart(framed: FramedLink): void {
    this.#links.restart(framed).attach(this);
  }

  /** Drops links whose local address this machine has lost. */
  dropLinksFrom(isGone: (address: string) => boolean): void {
    for (const link of this.#links.all) {
      if (!isGone(link.framed.link.local.address)) continue;
      link.framed.destroy();
      this.onClosed(link, new DialError('This machine has its address no more'));
    }
  }

  /** There is room for the peer's bytes again. */
  readOn(): void {
    this.#reassembly.release();
  }

  /**
   * Stops sending and receiving. What is in the current link still goes out; the link is dropped after a time in milliseconds, if the
   * peer does not end it before. All other links are dropped at once.
   */
  close(graceMs: number): void {
    if (this.#isClosed) return;
    if (this.currentLink !== undefined) this.sender.flush(this.currentLink);
    this.ack.flush();
    this.#isClosed = true;
    this.ack.stop();
    this.#reassembly.stop();
    this.liveness.stop();
    this.#links.close(graceMs);
  }

  /** See {@link LinkHandler}. */
  onWritten(link: TransportLink, bytes: number): void {
    if (link !== this.#links.current) return;
    this.sender.written(bytes);
    this.pump();
    this.#config.stream.onWritten();
  }

  /** See {@link LinkHandler}. */
  onFrame(link: TransportLink, frame: Frame): void {
    if (!this.#links.all.includes(link)) return;
    this.#guard(() => {
      if (!link.holds && this.handle(link, frame)) return;
      this.#reassembly.hold(link, frame);
    });
  }

  /** See {@link LinkHandler}. */
  onHeard(link: TransportLink): void {
    // Once closed, there is no current link.
    if (link === this.#links.current) this.liveness.heard(this.sender.isOwed);
  }

  /** See {@link LinkHandler}. */
  onClosed(link: TransportLink, error: Error | undefined): void {
    if (!this.#links.all.includes(link)) return;
    if (error instanceof ProtocolError) {
      this.#config.host.onFault(error);
      return;
    }
    this.#guard(() => {
      this.#reassembly.takeRest(link);
    });
    this.#links.drop(link);
    // That may have included the `end` frame.
    if (this.#isClosed) return;
    if (this.#links.lose(link)) this.#config.host.onLost(error);
    this.#links.tellNeed();
    this.#reassembly.release();
  }

  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#config.host.onFault(error);
    }
  }

  /** Handles a frame. Returns false when it has to be held back. */
  handle(link: TransportLink, { type, payload }: Frame): boolean {
    switch (type) {
      case FRAME.hello:
        if (link.isMet) throw new ProtocolError('Expected one hello on a link, got another');
        this.#onHello(link, decodeHello(payload));
        return true;
      case FRAME.data:
        return this.#reassembly.take(link, payload);
      case FRAME.end:
        return this.#onEnd(link, payload);
      default:
        if (!link.isMet) throw new ProtocolError('Expected a hello first, got another frame');
        this.#onControl(link, type, payload);
        return true;
    }
  }

  #onControl(link: TransportLink, type: number, payload: Buffer): void {
    if (MAKES_US_ACT.has(type)) this.#changes.expect(this.#config.scheduler);
    switch (type) {
      case FRAME.at:
        this.#onAt(link, payload);
        break;
      case FRAME.ack:
        this.#onAck(decodeOffset(payload));
        break;
      case FRAME.leave:
        this.#links.peerLeaves(link);
        this.#reassembly.release();
        break;
      case FRAME.resume:
        this.#onResume(link, decodeOffset(payload));
        break;
      case FRAME.ping:
        if (link.framed.buffered < UNREAD_BYTES) link.framed.write(FRAME.pong, payload);
        break;
      case FRAME.pong:
        this.#onPong(link, payload);
        break;
      case FRAME.locator:
        this.#config.host.onLocator(payload);
    }
  }

  #onHello(link: TransportLink, hello: Hello): void {
    this.#config.host.onHello(hello);
    const { received, lost } = hello;
    if (received !== undefined) this.#onAck(received);
    this.#links.meet(link, received, lost);
  }

  /** An `end` counts when everything before it has arrived. Instead of a hello on another link, it refuses that link only. */
  #onEnd(link: TransportLink, payload: Buffer): boolean {
    if (!link.isMet && link !== this.#links.current) {
      this.#links.drop(link);
      this.#config.host.onRefused(payload);
      return true;
    }
    if (!link.isInOrder(this.received)) return link.isStale;
    // The peer waits for this acknowledgement before it closes the connection.
    this.ack.flush();
    this.#config.stream.onEnd(payload);
    return true;
  }

  #onAt(link: TransportLink, payload: Buffer): void {
    const { choice, offset } = decodeAt(payload);
    link.at = offset;
    link.isStale = false;
    this.#links.follow(link, choice);
    this.#reassembly.lookForMissing();
  }

  #onAck(offset: number): void {
    if (!this.sender.acknowledge(offset)) return;
    this.pump();
    if (this.isAcknowledged) this.#config.stream.onAcknowledged();
  }

  #onResume(link: TransportLink, offset: number): void {
    this.sender.expectToHave(offset);
    this.#links.resume(link, offset);
  }

  #onPong(link: TransportLink, payload: Buffer): void {
    const roundTripMs = this.liveness.ponged(payload);
    if (roundTripMs !== undefined && link === this.#links.current)
      this.#config.host.onRoundTrip(link.framed, roundTripMs);
  }

  /** See {@link DelayedAckHost}. */
  acknowledge(received: number): boolean {
    const { currentLink: framed } = this;
    // The next acknowledgement includes this one.
    if (framed === undefined || framed.isBroken || framed.buffered > UNREAD_BYTES) return false;
    framed.write(FRAME.ack, encodeOffset(received));
    return true;
  }
}
