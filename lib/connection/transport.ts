import type { SchedulerLike } from 'rxjs';
import { ClosedError, DialError, ProtocolError } from '../errors.js';
import type { Channel } from '../link/channel.js';
import { decodeAt, decodeOffset, encodeAt, encodeOffset, FRAME, type Frame } from '../link/frames.js';
import { decodeHello, type Hello } from '../link/handshake.js';
import { tokenBucket } from '../bounds/rate-limit.js';
import { Arrivals } from './arrivals.js';
import { SendBuffer } from './send-buffer.js';
import { Silence } from './silence.js';
import { TransportLink } from './transport-link.js';

// How one stream of bytes in each direction goes over links that come and go:
//
// - Each side keeps what it has sent until the peer says (`ack`) that it has it, by offsets in the stream.
// - Data on a link follow an `at`, which says where in the stream they begin. So what comes twice is dropped, and what comes too
//   early is held back, with its link, until what is missing has come by the link before.
// - One side, the one with the greater key, is controlling (as in ICE, RFC 8445): it chooses the link, and counts its choices.
//   The other follows the latest choice that it has heard of. The controlling side says `leave` behind the last that it sends
//   on a link, the other answers it, and the link is closed.
// - A side whose link is lost says so in the hello of the next (`lost`, and how much it has `received`), and both go on there
//   from what the other has. Where what is missing will not come, `resume` asks for it again.

/** Links of one connection at a time: two that carry, and a few that are being tried. */
const MAX_LINKS = 8;

/** So many bytes wait in a link: enough to keep it busy, few to be sent again elsewhere. */
const LINK_BYTES = 131_072;

/** Data frames of this length. */
const PIECE_BYTES = 65_536;

/** So often a peer may say what has this side do or say something: links change now and then, and a few at a time. */
const CHANGES = { perSecond: 10, burst: 50 };

/** What a connection needs of links: none, a direct one, since the one it has is relayed, or any. */
export type Need = 'none' | 'direct' | 'any';

/** What a transport works with, and whom it tells. */
export interface TransportConfig {
  readonly scheduler: SchedulerLike;
  /** Whether this side chooses the link. */
  readonly isControlling: boolean;
  /** Bytes that the peer has not acknowledged, at most; then nothing is sent until it does. */
  readonly unacknowledgedBytes: number;
  /** What is unanswered for so long, in milliseconds, makes a link doubtful. */
  readonly silenceMs: number;
  /** For the peer to say hello on a link, in milliseconds. */
  readonly handshakeMs: number;
  /** Whether there is room for more of the peer's bytes; after it was not so, `readOn` is to be called. */
  readonly hasRoom: () => boolean;
  readonly onData: (bytes: Buffer) => void;
  /** The peer's stream is at its end, and all of it has come. */
  readonly onEnd: (payload: Buffer) => void;
  /** The peer does not take a further link. */
  readonly onRefused: (payload: Buffer) => void;
  /** Something has come on the link that this side sends on. */
  readonly onHeard: () => void;
  /** The peer tells its locator. */
  readonly onLocator: (payload: Buffer) => void;
  /** Something that was sent has gone to the system. */
  readonly onWritten: () => void;
  /** The peer has all that was sent. */
  readonly onAcknowledged: () => void;
  /** The peer says hello on a link. Throws when it is not one for this connection. */
  readonly onHello: (hello: Hello) => void;
  /** What is sent travels another way, or has another round trip time. */
  readonly onPath: (channel: Channel, roundTripMs: number | undefined) => void;
  /** What is needed may have changed. */
  readonly onNeed: () => void;
  /** A link has broken that carried. */
  readonly onLost: (error: Error | undefined) => void;
  /** The peer does not keep to the protocol. */
  readonly onFault: (error: unknown) => void;
}

/** A stream of bytes in each direction to one peer: each byte once and in order, over links that come and go. */
export class Transport {
  readonly #config: TransportConfig;
  readonly #buffer = new SendBuffer();
  readonly #links = new Set<TransportLink>();
  /** The one that this side sends on. */
  #current: TransportLink | undefined;
  /** The choices of the controlling side, as far as they are known here. */
  #choices = 0;
  /** What the peer has said to have of this side's stream, in bytes. */
  #peerHas = 0;
  #end: Buffer | undefined;
  #isEndWritten = false;
  #isClosed = false;
  #isDoubtful = false;
  #lastPing: { readonly payload: Buffer; readonly at: number } | undefined;
  readonly #arrivals: Arrivals;
  readonly #silence: Silence;
  readonly #mayChange: () => boolean;

  /**
   * @param isMet whether the peer has said hello on the first link; else it is written to all the same.
   */
  constructor(channel: Channel, isMet: boolean, config: TransportConfig) {
    this.#config = config;
    const { scheduler, silenceMs } = config;
    this.#silence = new Silence({ scheduler, ms: silenceMs, onSilent: this.#onSilent });
    this.#arrivals = new Arrivals({
      ...config,
      links: this.#links,
      handle: (link, frame) => this.#handle(link, frame),
      acknowledge: (received) => this.#sayAcknowledged(received),
      ask: (link, received) => {
        link.channel.write(FRAME.resume, encodeOffset(received));
      },
      drop: (link) => {
        this.#drop(link);
      },
      guard: (action) => {
        this.#guard(action);
      },
    });
    this.#mayChange = tokenBucket({ ...CHANGES, now: () => scheduler.now() });
    this.#current = this.#add(channel, isMet);
  }

  /** The link that this side sends on. */
  get channel(): Channel | undefined {
    return this.#current?.channel;
  }

  /** What of the peer's stream has come, in bytes. */
  get received(): number {
    return this.#arrivals.received;
  }

  /** The choice of the controlling side whose link is lost, or may be, when no link carries. */
  get lost(): number | undefined {
    return this.need === 'any' ? this.#choices : undefined;
  }

  /** What was sent and has not gone to the system yet, in bytes. */
  get buffered(): number {
    return this.#buffer.end - this.#buffer.position + (this.#current?.channel.buffered ?? 0);
  }

  /** Whether the peer has said to have all that was sent. */
  get isAcknowledged(): boolean {
    return this.#buffer.base === this.#buffer.end;
  }

  get need(): Need {
    if (this.#isClosed) return 'none';
    if (this.#current === undefined || this.#isDoubtful) return 'any';
    return this.#current.channel.link.direct ? 'none' : 'direct';
  }

  /** Begins to take what comes, and to send, on the first link. To be called once, when all that `onData` needs is there. */
  start(): void {
    const link = this.#current;
    if (link === undefined) return;
    this.#choose(link, 0);
    this.#attach(link);
  }

  /** Sends bytes, which must not be changed any more. */
  write(bytes: Buffer): void {
    this.#buffer.push(bytes);
    this.#pump();
  }

  /** Ends the stream behind all that was written. */
  end(payload: Buffer): void {
    this.#end = payload;
    // With all that was sent acknowledged the peer can close as soon as it sees the end.
    this.#acknowledgeWhatIsOwed();
    this.#pump();
  }

  /** Says something that is not part of the stream, on the link of the moment; without one nothing is said. */
  say(type: number, payload: Buffer): void {
    this.#current?.channel.write(type, payload);
  }

  /** Asks the peer for a sign of life. */
  ping(payload: Buffer): void {
    this.#lastPing = { payload, at: this.#now() };
    this.say(FRAME.ping, payload);
    if (this.#current !== undefined) this.#silence.expect();
  }

  /** Whether there is room for one more link. */
  get hasRoom(): boolean {
    return this.#links.size < MAX_LINKS;
  }

  /** Whether one more link is of use. */
  wants({ link }: Channel): boolean {
    const { need } = this;
    return need === 'any' || (need === 'direct' && link.direct);
  }

  /** Takes one more link, on which this side has said hello, and the peer has yet to. */
  offer(channel: Channel): void {
    const link = this.#add(channel, false);
    this.#attach(link);
    const { handshakeMs, scheduler } = this.#config;
    channel.after(handshakeMs, scheduler, () => {
      if (!link.isMet) this.#drop(link);
    });
  }

  /** Takes one more link that the peer has made and said hello on, and on which this side has said hello, too. */
  take(channel: Channel, hello: Hello): void {
    const link = this.#add(channel, true);
    this.#attach(link);
    this.#guard(() => {
      this.#onMet(link, hello);
    });
  }

  /** Gives up all links for another, on which both have said hello, and begins anew: nothing has come yet. */
  restart(channel: Channel): void {
    for (const link of this.#links) this.#drop(link);
    const link = this.#add(channel, true);
    this.#choices = 0;
    this.#current = undefined;
    this.#choose(link, 0);
    this.#attach(link);
  }

  /** Gives up the links whose ends here are at addresses that this machine has no more. */
  dropLinksFrom(isGone: (address: string) => boolean): void {
    for (const link of this.#links) {
      if (!isGone(link.channel.link.local.address)) continue;
      link.channel.destroy();
      this.#onClosed(link, new DialError('This machine has its address no more'));
    }
  }

  /** There is room again. */
  readOn(): void {
    this.#arrivals.release();
  }

  /** Nothing is sent or taken any more, but what is in the link still goes out. Returns the link; all others are dropped. */
  close(): Channel | undefined {
    this.#flush();
    this.#acknowledgeWhatIsOwed();
    this.#isClosed = true;
    this.#arrivals.stop();
    this.#silence.stop();
    const channel = this.#current?.channel;
    for (const link of this.#links) if (link !== this.#current) this.#drop(link);
    this.#links.clear();
    this.#current = undefined;
    return channel;
  }

  #now(): number {
    return this.#config.scheduler.now();
  }

  #add(channel: Channel, isMet: boolean): TransportLink {
    const link = new TransportLink(channel, isMet);
    this.#links.add(link);
    return link;
  }

  #attach(link: TransportLink): void {
    link.channel.attach({
      frame: (frame) => {
        this.#onFrame(link, frame);
      },
      written: () => {
        if (link !== this.#current) return;
        this.#pump();
        this.#config.onWritten();
      },
      closed: (error) => {
        this.#onClosed(link, error);
      },
    });
    link.channel.setFlowing(true);
  }

  #onFrame(link: TransportLink, frame: Frame): void {
    if (this.#isClosed || !this.#links.has(link)) return;
    this.#guard(() => {
      if (link.held.length === 0 && this.#handle(link, frame)) return;
      this.#arrivals.hold(link, frame);
    });
    if (link === this.#current && !this.#isOver()) this.#onHeard();
  }

  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#config.onFault(error);
    }
  }

  /** Returns false for what cannot be taken yet. */
  #handle(link: TransportLink, { type, payload }: Frame): boolean {
    switch (type) {
      case FRAME.hello:
        if (link.isMet) throw new ProtocolError('Expected one hello on a link, got another');
        this.#onMet(link, decodeHello(payload));
        return true;
      case FRAME.data:
        return this.#arrivals.take(link, payload);
      case FRAME.end:
        return this.#onEnd(link, payload);
      default:
        if (!link.isMet) throw new ProtocolError('Expected a hello first, got another frame');
        this.#onControl(link, type, payload);
        return true;
    }
  }

  #onControl(link: TransportLink, type: number, payload: Buffer): void {
    if (HAS_US_ACT.has(type) && !this.#mayChange())
      throw new ProtocolError(`Expected links to change now and then, got more than ${CHANGES.burst} changes at once`);
    switch (type) {
      case FRAME.at:
        this.#onAt(link, payload);
        break;
      case FRAME.ack:
        this.#onAck(decodeOffset(payload));
        break;
      case FRAME.leave:
        this.#onLeave(link);
        break;
      case FRAME.resume:
        this.#onResume(link, decodeOffset(payload));
        break;
      case FRAME.ping:
        // A peer that asks and never reads the answers gets no more of them.
        if (link.channel.buffered < LINK_BYTES * 2) link.channel.write(FRAME.pong, payload);
        break;
      case FRAME.pong:
        this.#onPong(link, payload);
        break;
      case FRAME.locator:
        this.#config.onLocator(payload);
    }
  }

  /** The peer has said hello on a link: from now on it may carry. */
  #onMet(link: TransportLink, hello: Hello): void {
    this.#config.onHello(hello);
    const { received, lost } = hello;
    if (received !== undefined) this.#onAck(received);
    link.isMet = true;
    const before = this.#current;
    // What the peer has lost carries nothing, whatever it looks like from here.
    if (before !== link && before?.choice !== undefined && lost !== undefined && before.choice <= lost) {
      this.#current = undefined;
      this.#drop(before);
    }
    if (link === this.#current) return;
    if (this.need === 'any') this.#choose(link, received);
    else if (this.#config.isControlling) {
      if (this.wants(link.channel)) this.#choose(link);
      else this.#leave(link);
    }
  }

  /** The end is none before all that was sent before it has come. A peer that gives up says so at any time. */
  #onEnd(link: TransportLink, payload: Buffer): boolean {
    if (!link.isMet && link !== this.#current) {
      this.#drop(link);
      this.#config.onRefused(payload);
      return true;
    }
    if (!link.isInOrder(this.received)) return link.isStale;
    // The peer waits for this before it closes the connection.
    this.#acknowledgeWhatIsOwed();
    this.#config.onEnd(payload);
    return true;
  }

  #onAt(link: TransportLink, payload: Buffer): void {
    const { choice, offset } = decodeAt(payload);
    link.at = offset;
    link.isStale = false;
    if (!this.#config.isControlling && choice >= this.#choices) {
      this.#choices = choice;
      link.choice = choice;
      if (link !== this.#current && !link.isLeft) this.#choose(link);
    }
    this.#arrivals.lookForMissing();
  }

  #onAck(offset: number): void {
    const { base, position, written } = this.#buffer;
    if (offset > written) throw new ProtocolError(`Expected an acknowledgement of up to ${written}, got ${offset}`);
    this.#peerHas = Math.max(this.#peerHas, offset);
    // What is being written again is acknowledged again.
    if (offset <= base || offset > position) return;
    this.#buffer.acknowledge(offset);
    this.#pump();
    if (this.isAcknowledged) this.#config.onAcknowledged();
  }

  #onLeave(link: TransportLink): void {
    link.hasPeerLeft = true;
    if (link !== this.#current) this.#leave(link);
    this.#arrivals.release();
  }

  #onResume(link: TransportLink, offset: number): void {
    const { base, written } = this.#buffer;
    if (offset > written) throw new ProtocolError(`Expected to be asked for bytes up to ${written}, got ${offset}`);
    // One that has been asked for on a slow link may have come by another meanwhile.
    if (offset < base && this.#peerHas < base)
      throw new ClosedError('The link broke while nobody read here, and what it had is lost');
    // One that this side has left already has nothing to do with what it sends now.
    if (!link.isLeft) this.#choose(link, offset);
  }

  #onPong(link: TransportLink, payload: Buffer): void {
    if (this.#lastPing?.payload.equals(payload) !== true) return;
    if (link === this.#current) this.#config.onPath(link.channel, this.#now() - this.#lastPing.at);
    this.#lastPing = undefined;
  }

  #onHeard(): void {
    this.#silence.heard(this.#buffer.base < this.#buffer.position || this.#lastPing !== undefined);
    this.#config.onHeard();
    if (!this.#isDoubtful) return;
    this.#isDoubtful = false;
    this.#config.onNeed();
  }

  readonly #onSilent = (): void => {
    // Who does not read does not hear.
    if (this.#isDoubtful || this.#current === undefined || this.#arrivals.isDeaf) return;
    this.#isDoubtful = true;
    this.#config.onNeed();
  };

  #onClosed(link: TransportLink, error: Error | undefined): void {
    if (this.#isClosed || !this.#links.has(link)) return;
    if (error instanceof ProtocolError) {
      this.#config.onFault(error);
      return;
    }
    const isCurrent = link === this.#current;
    this.#guard(() => {
      this.#arrivals.takeRest(link);
    });
    this.#drop(link);
    if (this.#isOver()) return;
    if (isCurrent) {
      this.#current = undefined;
      const other = [...this.#links].find(({ isMet, isLeft }) => isMet && !isLeft);
      if (other === undefined) this.#config.onLost(error);
      else {
        this.#choose(other);
        other.channel.write(FRAME.resume, encodeOffset(this.received));
      }
      this.#config.onNeed();
    } else if (link.isUsed && !link.hasPeerLeft && this.#current !== undefined) {
      // What it had may not have arrived: rather twice than late.
      this.#choose(this.#current, this.#buffer.base);
    }
    this.#arrivals.release();
  }

  /** Sends on a link from now on: where nothing carried any more, from what the peer has on. */
  #choose(link: TransportLink, from?: number): void {
    const isAnew = from !== undefined || this.need === 'any';
    const before = this.#current;
    const others = [...this.#links].filter((other) => other !== link && (other.isMet || other === before));
    if (this.#config.isControlling) link.choice = ++this.#choices;
    this.#current = link;
    link.isUsed = true;
    if (isAnew) this.#buffer.rewind(Math.max(this.#buffer.base, from ?? 0));
    // Twice does no harm, and that the first was lost would show by nothing.
    this.#isEndWritten = false;
    const wasDoubtful = this.#isDoubtful;
    this.#isDoubtful = false;
    // What was asked there is not answered here.
    this.#lastPing = undefined;
    this.#silence.heard(false);
    if (link.channel.framed) {
      const at = { choice: this.#choices, offset: this.#buffer.position };
      link.channel.write(FRAME.at, encodeAt(at));
    }
    for (const other of others) {
      if (other === before && wasDoubtful) this.#drop(other);
      // The other side follows, and may be told by a choice that is on its way to come back.
      else if (this.#config.isControlling || other.hasPeerLeft) this.#leave(other);
    }
    if (before !== link) this.#config.onPath(link.channel, undefined);
    this.#pump();
    this.#config.onNeed();
  }

  /** Says that this side sends nothing more on a link; once the peer has said so, too, it is closed. */
  #leave(link: TransportLink): void {
    if (!link.isLeft) {
      link.isLeft = true;
      link.channel.write(FRAME.leave, NOTHING);
    }
    if (!link.hasPeerLeft) return;
    this.#links.delete(link);
    link.channel.retire(RETIRE_MS, this.#config.scheduler);
  }

  #drop(link: TransportLink): void {
    this.#links.delete(link);
    link.channel.ignore();
    link.channel.destroy();
  }

  /** Hands the link a little at a time, so that what waits can go by another. */
  #pump(): void {
    const { channel } = this.#current ?? {};
    if (channel === undefined || this.#isClosed) return;
    const buffer = this.#buffer;
    while (channel.buffered < LINK_BYTES && buffer.position < buffer.end) {
      if (buffer.position - buffer.base >= this.#config.unacknowledgedBytes) {
        // Who does not read hears no acknowledgements, and shall not have to stop writing for that.
        if (!this.#arrivals.isDeaf) return;
        buffer.acknowledge(buffer.position);
      }
      channel.write(FRAME.data, buffer.take(PIECE_BYTES) ?? NOTHING);
      // On a plain link there is nobody to acknowledge.
      if (!channel.framed) buffer.acknowledge(buffer.position);
      else this.#silence.expect();
    }
    if (this.#end === undefined || this.#isEndWritten || buffer.position < buffer.end) return;
    this.#isEndWritten = true;
    channel.write(FRAME.end, this.#end);
  }

  /** Hands the link all that is left. */
  #flush(): void {
    const { channel } = this.#current ?? {};
    if (channel === undefined) return;
    for (let bytes = this.#buffer.take(PIECE_BYTES); bytes !== undefined; bytes = this.#buffer.take(PIECE_BYTES))
      channel.write(FRAME.data, bytes);
    if (this.#end !== undefined && !this.#isEndWritten) channel.write(FRAME.end, this.#end);
    this.#isEndWritten = true;
  }

  #acknowledgeWhatIsOwed(): void {
    if (this.#arrivals.owesAcknowledgement) this.#arrivals.acknowledge();
  }

  #sayAcknowledged(received: number): boolean {
    const { channel } = this.#current ?? {};
    // The next will say as much; a peer that does not read gets no more of them.
    if (channel === undefined || channel.isBroken || channel.buffered > LINK_BYTES * 2) return false;
    channel.write(FRAME.ack, encodeOffset(received));
    return true;
  }

  #isOver(): boolean {
    return this.#isClosed;
  }
}

/** Frames to which this side answers, or which have it do something. */
const HAS_US_ACT: ReadonlySet<number> = new Set([FRAME.at, FRAME.leave, FRAME.resume, FRAME.locator]);

const NOTHING = Buffer.alloc(0);

/** A link that both sides have left gets this long to close by itself, in milliseconds. */
const RETIRE_MS = 5_000;
