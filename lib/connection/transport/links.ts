import type { Observable, SchedulerLike } from 'rxjs';
import type { FramedLink } from '../../link/framed-link.js';
import { Latest } from '../../operators/latest.js';
import { encodeAt, encodeOffset, FRAME } from '../../link/frames.js';
import type { TransportHost } from './host.js';
import { isWanted, LinkChoice, type Need } from './link-choice.js';
import type { Liveness } from './liveness.js';
import type { Sender, SendFrom } from './sender.js';
import { TransportLink } from './transport-link.js';

/** How many links one connection may have at a time: two in use, and a few that are being tried. */
const MAX_LINKS = 8;

/** What choosing among links needs. */
export interface LinksConfig {
  readonly scheduler: SchedulerLike;
  /** Whether this side chooses the link. */
  readonly isControlling: boolean;
  /** Learns when another link is chosen, or needed. */
  readonly host: Pick<TransportHost, 'onPath' | 'onNeed'>;
}

/** The parts of a transport that choosing among links needs. */
export interface LinksParts {
  /** This side's stream, which is sent on the chosen link. */
  readonly sender: Sender;
  /** Whether the peer answers on the chosen link. */
  readonly liveness: Liveness;
  /** How much of the peer's stream has arrived, in bytes. */
  readonly received: number;
}

/** The links of a connection, and the one of them that this side sends on. */
export class Links {
  readonly #config: LinksConfig;
  readonly #parts: LinksParts;
  /** Replaced and never changed: most often it is one, of which a Set would take two hundred bytes. */
  #all: readonly TransportLink[] = [];
  readonly #choice: LinkChoice;
  readonly #need = new Latest<Need>();
  #isClosed = false;

  /**
   * @param isMet whether the peer has said hello on the first link. If not, this side sends on it all the same.
   */
  constructor(framed: FramedLink, isMet: boolean, config: LinksConfig, parts: LinksParts) {
    this.#config = config;
    this.#parts = parts;
    this.#need.next('none');
    this.#choice = new LinkChoice(this.add(framed, isMet), config.isControlling);
  }

  /** The links on which either side still sends. */
  get all(): readonly TransportLink[] {
    return this.#all;
  }

  /** The link that this side sends on. */
  get current(): TransportLink | undefined {
    return this.#choice.current;
  }

  /** The link that this side has sent on last, even if it is lost by now. */
  get lastLink(): FramedLink {
    return this.#choice.lastLink;
  }

  /** Whether one more link may be added; never once it is closed. */
  get hasRoom(): boolean {
    return !this.#isClosed && this.#all.length < MAX_LINKS;
  }

  /** Which link is needed at the moment. A plain connection has one link and never another. */
  get need(): Need {
    const { current, lastLink } = this.#choice;
    if (this.#isClosed || !lastLink.hasControlFrames) return 'none';
    if (current === undefined || this.#parts.liveness.isDoubtful) return 'any';
    return current.framed.link.direct ? 'none' : 'direct';
  }

  /** Which link is needed at the moment, and whenever that changes. Completes when the connection is closed. */
  get need$(): Observable<Need> {
    return this.#need.value$;
  }

  /** When no link works: the number of the choice whose link is lost or doubtful. */
  get lost(): number | undefined {
    return this.need === 'any' ? this.#choice.count : undefined;
  }

  /** Call this when the need may have changed: `need$` emits if it has. */
  tellNeed(): void {
    const { need } = this;
    if (need === this.#need.value || this.#isClosed) return;
    this.#config.host.onNeed(need);
    this.#need.next(need);
  }

  /** Adds a link. */
  add(framed: FramedLink, isMet: boolean): TransportLink {
    const link = new TransportLink(framed, isMet);
    this.#all = this.#all.concat(link);
    return link;
  }

  /** Drops a link, and everything not yet sent on it. */
  drop(link: TransportLink): void {
    this.#forget(link);
    link.drop();
  }

  /** Sends on the first link from now on. */
  start(): void {
    if (this.current !== undefined) this.#choose(this.current, 0);
  }

  /** Drops all links, and sends the whole stream again on another, on which both sides have said hello. */
  restart(framed: FramedLink): TransportLink {
    for (const link of this.#all) this.drop(link);
    const link = this.add(framed, true);
    this.#choice.restart();
    this.#choose(link, 0);
    return link;
  }

  /**
   * The peer has said hello on a link: it may be used from now on.
   *
   * @param received how much of this side's stream the peer has, if its hello says so.
   * @param lost the number of the choice whose link the peer has lost, if its hello says so.
   */
  meet(link: TransportLink, received: number | undefined, lost: number | undefined): void {
    link.isMet = true;
    const before = this.current;
    // A link that the peer has lost does not work, even if it looks whole from here.
    if (before !== undefined && before !== link && this.#choice.isLostWith(lost)) {
      this.#choice.clear();
      this.drop(before);
    }
    if (link === this.current) return;
    if (this.need === 'any') this.#choose(link, received);
    else if (this.#config.isControlling) {
      if (isWanted(link.framed.link, this.need)) this.#choose(link);
      else this.#leave(link);
    }
  }

  /** The controlling side announces its choice, on the chosen link. */
  follow(link: TransportLink, choice: number): void {
    if (this.#choice.hear(link, choice)) this.#choose(link);
  }

  /** The peer sends nothing more on a link. */
  peerLeaves(link: TransportLink): void {
    link.peerLeaves();
    if (link !== this.current) this.#leave(link);
  }

  /** The peer asks for this side's stream on a link, from an offset. */
  resume(link: TransportLink, offset: number): void {
    // If this side has left this link, it sends on another already.
    if (!link.isLeft) this.#choose(link, offset);
  }

  /**
   * A link is gone. Drops it, and sends on another if it was the current one.
   *
   * @returns whether there is no link left to send on.
   */
  lose(link: TransportLink): boolean {
    const { current } = this;
    if (link === current) {
      this.#choice.clear();
      const other = this.#all.find(({ isMet, isLeft }) => isMet && !isLeft);
      if (other === undefined) return true;
      this.#choose(other);
      other.framed.write(FRAME.resume, encodeOffset(this.#parts.received));
    } else if (link.isUsed && !link.hasPeerLeft && current !== undefined) {
      // What was sent on the lost link may not have arrived: it is sent again at once.
      this.#choose(current, 'acknowledged');
    }
    return false;
  }

  /** Closes the current link when everything in it has gone out, or after a time in milliseconds; drops all others. */
  close(graceMs: number): void {
    const { current } = this;
    this.#isClosed = true;
    for (const link of this.#all) if (link !== current) this.drop(link);
    this.#all = [];
    this.#choice.clear();
    current?.framed.retire(graceMs, this.#config.scheduler);
    this.#need.forget();
    this.#need.complete();
  }

  /**
   * Sends on a link from now on.
   *
   * @param from by default, the stream goes on from where it is; or, if no link worked, from the last byte that the peer has
   * acknowledged.
   */
  #choose(link: TransportLink, from: SendFrom = this.need === 'any' ? 'acknowledged' : 'here'): void {
    const { isControlling, host } = this.#config;
    const { sender, liveness } = this.#parts;
    const before = this.current;
    const wasDoubtful = liveness.isDoubtful;
    const others = this.#all.filter((other) => other !== link && (other.isMet || other === before));
    this.#choice.take(link);
    sender.restart(from);
    liveness.restart();
    if (link.framed.hasControlFrames) {
      const at = { choice: this.#choice.count, offset: sender.position };
      link.framed.write(FRAME.at, encodeAt(at));
    }
    for (const other of others) {
      if (other === before && wasDoubtful) this.drop(other);
      // The side that follows does not leave first: a choice that has not arrived yet may lead back to this link.
      else if (isControlling || other.hasPeerLeft) this.#leave(other);
    }
    if (before !== link) host.onPath(link.framed);
    if (this.current !== undefined) sender.pump(this.current.framed);
    this.tellNeed();
  }

  /** Sends nothing more on a link. It is closed when the peer has left it, too. */
  #leave(link: TransportLink): void {
    if (link.leave(this.#config.scheduler)) this.#forget(link);
  }

  #forget(link: TransportLink): void {
    this.#all = this.#all.filter((each) => each !== link);
  }
}
