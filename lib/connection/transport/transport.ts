import type { Observable } from 'rxjs';
import { tokenBucket } from '../../bounds/rate-limit.js';
import { DialError, ProtocolError } from '../../errors.js';
import type { FramedLink } from '../../link/framed-link.js';
import { decodeAt, decodeOffset, encodeOffset, FRAME, type Frame } from '../../link/frames.js';
import { decodeHello, type Hello } from '../../link/handshake.js';
import { DelayedAck } from './delayed-ack.js';
import type { TransportConfig } from './host.js';
import { isWanted, type Need } from './link-choice.js';
import { Links } from './links.js';
import { Liveness } from './liveness.js';
import { Reassembly } from './reassembly.js';
import { LINK_BYTES, Sender } from './sender.js';
import type { LinkHandler, TransportLink } from './transport-link.js';

// How one stream of bytes in each direction goes over links that come and go:
//
// - Each side keeps what it has sent until the peer says (`ack`) that it has it, by offsets in the stream (Sender, SendBuffer).
// - Data on a link follow an `at`, which says where in the stream they begin. So what comes twice is dropped, and what comes too
//   early is held back, with its link, until what is missing has come by the link before (Reassembly).
// - One side, the one with the greater key, is controlling (as in ICE, RFC 8445): it chooses the link, and counts its choices.
//   The other follows the latest choice that it has heard of. The controlling side says `leave` behind the last that it sends
//   on a link, the other answers it, and the link is closed (Links, LinkChoice).
// - A side whose link is lost says so in the hello of the next (`lost`, and how much it has `received`), and both go on there
//   from what the other has. Where what is missing will not come, `resume` asks for it again.
// - A link on which the peer owes an answer for too long is doubtful: another is looked for beside it (Liveness).

/** More than this never waits in a link for a peer that does not read: it gets no more answers and acknowledgements. */
const UNREAD_BYTES = LINK_BYTES * 2;

/** How often a peer may send frames that make this side act: links change now and then, and a few at a time. */
const CHANGES = { perSecond: 10, burst: 50 };

/** Frames that make this side act. */
const MAKES_US_ACT: ReadonlySet<number> = new Set([FRAME.at, FRAME.leave, FRAME.resume, FRAME.locator]);

/**
 * A stream of bytes in each direction to one peer: each byte once and in order, over links that come and go. What the bytes mean
 * is for the layer above.
 */
export class Transport {
  readonly #config: TransportConfig;
  readonly #links: Links;
  readonly #sender: Sender;
  readonly #ack: DelayedAck;
  readonly #reassembly: Reassembly;
  readonly #liveness: Liveness;
  readonly #mayChange: () => boolean;
  #isClosed = false;

  /**
   * @param isMet whether the peer has said hello on the first link; else it is written to all the same.
   */
  constructor(framed: FramedLink, isMet: boolean, config: TransportConfig) {
    this.#config = config;
    const { scheduler, isControlling, unacknowledgedBytes, silenceMs, stream, host } = config;
    this.#mayChange = tokenBucket({ ...CHANGES, now: () => scheduler.now() });
    this.#liveness = new Liveness({
      scheduler,
      silenceMs,
      hasLink: () => this.currentLink !== undefined,
      onChange: () => {
        this.#links.tellNeed();
      },
    });
    this.#sender = new Sender({
      unacknowledgedBytes,
      stream,
      onOwed: () => {
        this.#liveness.expectAnswer();
      },
    });
    this.#links = new Links(framed, isMet, {
      scheduler,
      isControlling,
      sender: this.#sender,
      liveness: this.#liveness,
      received: () => this.received,
      host,
    });
    this.#ack = new DelayedAck({ scheduler, say: (received) => this.#sayAcknowledged(received) });
    this.#reassembly = new Reassembly({
      scheduler,
      stream,
      links: this.#links.all,
      ack: this.#ack,
      handle: (link, frame) => this.#handle(link, frame),
      drop: (link) => {
        this.#links.drop(link);
      },
      host,
    });
  }

  /** The link that this side sends on. */
  get currentLink(): FramedLink | undefined {
    return this.#links.current?.framed;
  }

  /** The link that this side has sent on last, also when it is lost by now, or the transport closed. */
  get lastLink(): FramedLink {
    return this.#links.lastLink;
  }

  /** What of the peer's stream has come, in bytes. */
  get received(): number {
    return this.#reassembly.received;
  }

  /** The choice of the controlling side whose link is lost, or may be, when no link carries. */
  get lost(): number | undefined {
    return this.#links.lost;
  }

  /** What was sent and has not gone to the system yet, in bytes. */
  get buffered(): number {
    return this.#sender.waiting + (this.#links.current?.framed.buffered ?? 0);
  }

  /** Whether the peer has said to have all that was sent. */
  get isAcknowledged(): boolean {
    return this.#sender.isAcknowledged;
  }

  /**
   * Grows with all that happens: with what of either stream has come, so that signs of life alone do not count. On a plain link, where
   * neither side can tell, with each byte that moves.
   */
  get progress(): number {
    return this.lastLink.hasControlFrames ? this.#sender.acknowledged + this.received : this.lastLink.moved;
  }

  /** What it needs of links at the moment. */
  get need(): Need {
    return this.#links.need;
  }

  /** What it needs of links at the moment, and whenever that changes. Completes when it is closed. */
  get need$(): Observable<Need> {
    return this.#links.need$;
  }

  /** Emits whenever something has come on the link that this side sends on. */
  get heard$(): Observable<void> {
    return this.#liveness.heard$;
  }

  /** Whether there is room for one more link; none once it is closed. */
  get hasRoom(): boolean {
    return this.#links.hasRoom;
  }

  /** Whether one more link is of use. */
  wants({ link }: FramedLink): boolean {
    return isWanted(link, this.need);
  }

  /** Begins to take what comes, and to send, on the first link. To be called once, when `host` and `stream` are ready. */
  start(): void {
    this.#links.start();
    this.#links.current?.attach(this.#handler);
  }

  /** There is something to send. */
  pump(): void {
    if (this.currentLink !== undefined) this.#sender.pump(this.currentLink);
  }

  /** Ends the stream behind all that was written. */
  end(payload: Buffer): void {
    this.#sender.end(payload);
    // With all that was sent acknowledged the peer can close as soon as it sees the end.
    this.#ack.flush();
    this.pump();
  }

  /** Says something that is not part of the stream, on the link of the moment; without one nothing is said. */
  say(type: number, payload: Buffer): void {
    this.currentLink?.write(type, payload);
  }

  /** Asks the peer for a sign of life. */
  ping(payload: Buffer): void {
    this.#liveness.pinged(payload);
    this.say(FRAME.ping, payload);
    if (this.currentLink !== undefined) this.#liveness.expectAnswer();
  }

  /** Takes one more link, on which this side has said hello, and the peer has yet to. */
  offer(framed: FramedLink): void {
    const link = this.#links.add(framed, false);
    link.attach(this.#handler);
    const { handshakeMs, scheduler } = this.#config;
    link.expectHello(handshakeMs, scheduler, () => {
      this.#links.drop(link);
    });
  }

  /** Takes one more link that the peer has made and said hello on, and on which this side has said hello, too. */
  take(framed: FramedLink, hello: Hello): void {
    const link = this.#links.add(framed, true);
    link.attach(this.#handler);
    this.#guard(() => {
      this.#onHello(link, hello);
    });
  }

  /** Gives up all links for another, on which both have said hello, and begins anew: nothing has come yet. */
  restart(framed: FramedLink): void {
    this.#links.restart(framed).attach(this.#handler);
  }

  /** Gives up the links whose ends here are at addresses that this machine has no more. */
  dropLinksFrom(isGone: (address: string) => boolean): void {
    for (const link of this.#links.all) {
      if (!isGone(link.framed.link.local.address)) continue;
      link.framed.destroy();
      this.#onClosed(link, new DialError('This machine has its address no more'));
    }
  }

  /** There is room again. */
  readOn(): void {
    this.#reassembly.release();
  }

  /**
   * Nothing is sent or taken any more. What is in the link still goes out, and the link is dropped after a while, in
   * milliseconds, if the peer does not end it; all others are dropped at once.
   */
  close(graceMs: number): void {
    if (this.#isClosed) return;
    if (this.currentLink !== undefined) this.#sender.flush(this.currentLink);
    this.#ack.flush();
    this.#isClosed = true;
    this.#ack.stop();
    this.#reassembly.stop();
    this.#liveness.stop();
    this.#links.close(graceMs);
  }

  readonly #handler: LinkHandler = {
    onFrame: (link, frame) => {
      this.#onFrame(link, frame);
    },
    onWritten: (link) => {
      if (link !== this.#links.current) return;
      this.pump();
      this.#config.stream.onWritten();
    },
    onClosed: (link, error) => {
      this.#onClosed(link, error);
    },
  };

  #onFrame(link: TransportLink, frame: Frame): void {
    if (!this.#links.all.has(link)) return;
    this.#guard(() => {
      if (!link.holds && this.#handle(link, frame)) return;
      this.#reassembly.hold(link, frame);
    });
    // Once closed it has no link.
    if (link === this.#links.current) this.#liveness.heard(this.#sender.isOwed);
  }

  #onClosed(link: TransportLink, error: Error | undefined): void {
    if (!this.#links.all.has(link)) return;
    if (error instanceof ProtocolError) {
      this.#config.host.onFault(error);
      return;
    }
    this.#guard(() => {
      this.#reassembly.takeRest(link);
    });
    this.#links.drop(link);
    // The rest may have been the end.
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

  /** Returns false for what cannot be taken yet. */
  #handle(link: TransportLink, { type, payload }: Frame): boolean {
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
    if (MAKES_US_ACT.has(type) && !this.#mayChange())
      throw new ProtocolError(`Expected links to change now and then, got more than ${CHANGES.burst} changes at once`);
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

  /** An end counts once all before it has come. In place of the hello on a further link it refuses that link alone. */
  #onEnd(link: TransportLink, payload: Buffer): boolean {
    if (!link.isMet && link !== this.#links.current) {
      this.#links.drop(link);
      this.#config.host.onRefused(payload);
      return true;
    }
    if (!link.isInOrder(this.received)) return link.isStale;
    // The peer waits for this before it closes the connection.
    this.#ack.flush();
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
    if (!this.#sender.acknowledge(offset)) return;
    this.pump();
    if (this.isAcknowledged) this.#config.stream.onAcknowledged();
  }

  #onResume(link: TransportLink, offset: number): void {
    this.#sender.expectToHave(offset);
    this.#links.resume(link, offset);
  }

  #onPong(link: TransportLink, payload: Buffer): void {
    const roundTripMs = this.#liveness.ponged(payload);
    if (roundTripMs !== undefined && link === this.#links.current)
      this.#config.host.onRoundTrip(link.framed, roundTripMs);
  }

  #sayAcknowledged(received: number): boolean {
    const { currentLink: framed } = this;
    // The next will say as much.
    if (framed === undefined || framed.isBroken || framed.buffered > UNREAD_BYTES) return false;
    framed.write(FRAME.ack, encodeOffset(received));
    return true;
  }
}
