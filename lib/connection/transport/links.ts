import { BehaviorSubject, distinctUntilChanged, type Observable, type SchedulerLike } from 'rxjs';
import type { FramedLink } from '../../link/framed-link.js';
import { encodeAt, encodeOffset, FRAME } from '../../link/frames.js';
import type { TransportHost } from './host.js';
import { isWanted, LinkChoice, type Need } from './link-choice.js';
import type { Liveness } from './liveness.js';
import type { Sender, SendFrom } from './sender.js';
import { TransportLink } from './transport-link.js';

/** Links of one connection at a time: two that carry, and a few that are being tried. */
const MAX_LINKS = 8;

/** What it takes to choose among links. */
export interface LinksConfig {
  readonly scheduler: SchedulerLike;
  /** Whether this side chooses the link. */
  readonly isControlling: boolean;
  /** This side's stream, which goes by the link that is chosen. */
  readonly sender: Sender;
  /** Whether the peer answers on the link that is chosen. */
  readonly liveness: Liveness;
  /** How much of the peer's stream has come, in bytes. */
  readonly received: () => number;
  /** Learns when another link is chosen. */
  readonly host: Pick<TransportHost, 'onPath'>;
}

/** The links of a connection, and the one of them that this side sends on. */
export class Links {
  readonly #config: LinksConfig;
  readonly #all = new Set<TransportLink>();
  readonly #choice: LinkChoice;
  readonly #need = new BehaviorSubject<Need>('none');
  #isClosed = false;

  /**
   * @param isMet whether the peer has said hello on the first link; else it is written to all the same.
   */
  constructor(framed: FramedLink, isMet: boolean, config: LinksConfig) {
    this.#config = config;
    this.#choice = new LinkChoice(this.add(framed, isMet), config.isControlling);
  }

  /** The links that have not been dropped, and that one side or both still send on. */
  get all(): ReadonlySet<TransportLink> {
    return this.#all;
  }

  /** The link that this side sends on. */
  get current(): TransportLink | undefined {
    return this.#choice.current;
  }

  /** The link that this side has sent on last, also when it is lost by now. */
  get lastLink(): FramedLink {
    return this.#choice.lastLink;
  }

  /** Whether there is room for one more; none once it is closed. */
  get hasRoom(): boolean {
    return !this.#isClosed && this.#all.size < MAX_LINKS;
  }

  /** What is needed at the moment. A plain connection has its one link and never another. */
  get need(): Need {
    const { current, lastLink } = this.#choice;
    if (this.#isClosed || !lastLink.hasControlFrames) return 'none';
    if (current === undefined || this.#config.liveness.isDoubtful) return 'any';
    return current.framed.link.direct ? 'none' : 'direct';
  }

  /** What is needed at the moment, and whenever that changes. Completes when the connection is closed. */
  get need$(): Observable<Need> {
    return this.#need.pipe(distinctUntilChanged());
  }

  /** The choice of the controlling side whose link is lost, or may be, when no link carries. */
  get lost(): number | undefined {
    return this.need === 'any' ? this.#choice.count : undefined;
  }

  /** Has `need$` tell what is needed, where that may have changed. */
  tellNeed(): void {
    this.#need.next(this.need);
  }

  /** Adds a link. */
  add(framed: FramedLink, isMet: boolean): TransportLink {
    const link = new TransportLink(framed, isMet);
    this.#all.add(link);
    return link;
  }

  /** Drops a link, with all that is still on its way. */
  drop(link: TransportLink): void {
    this.#all.delete(link);
    link.drop();
  }

  /** Sends on the first link from now on. */
  start(): void {
    if (this.current !== undefined) this.#choose(this.current, 0);
  }

  /** Drops all links, and sends from now on, and from the beginning, on another that both sides have said hello on. */
  restart(framed: FramedLink): TransportLink {
    for (const link of this.#all) this.drop(link);
    const link = this.add(framed, true);
    this.#choice.restart();
    this.#choose(link, 0);
    return link;
  }

  /**
   * The peer has said hello on a link: from now on it may carry.
   *
   * @param received how much of this side's stream the peer has, where it says so.
   * @param lost the choice whose link the peer has lost, where it says so.
   */
  meet(link: TransportLink, received: number | undefined, lost: number | undefined): void {
    link.isMet = true;
    const before = this.current;
    // A link that the peer has lost carries nothing, even if it looks whole from here.
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

  /** The controlling side tells its choice, by a link. */
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
    // This side sends by another link already, where it has left this one.
    if (!link.isLeft) this.#choose(link, offset);
  }

  /**
   * A link is gone, and dropped. Goes on by another where it was the one that this side sends on.
   *
   * @returns whether there is none to go on by.
   */
  lose(link: TransportLink): boolean {
    const { current } = this;
    if (link === current) {
      this.#choice.clear();
      const other = [...this.#all].find(({ isMet, isLeft }) => isMet && !isLeft);
      if (other === undefined) return true;
      this.#choose(other);
      other.framed.write(FRAME.resume, encodeOffset(this.#config.received()));
    } else if (link.isUsed && !link.hasPeerLeft && current !== undefined) {
      // What was sent on it may not have arrived: it is sent again at once.
      this.#choose(current, 'acknowledged');
    }
    return false;
  }

  /** Closes the link that this side sends on, once what is in it has gone out, within a time in milliseconds; drops all others. */
  close(graceMs: number): void {
    const { current } = this;
    this.#isClosed = true;
    for (const link of this.#all) if (link !== current) this.drop(link);
    this.#all.clear();
    this.#choice.clear();
    current?.framed.retire(graceMs, this.#config.scheduler);
    this.#need.complete();
  }

  /**
   * Sends on a link from now on.
   *
   * @param from by default the stream goes on from where it was, or again from what the peer is not known to have, where no link
   * carried any more.
   */
  #choose(link: TransportLink, from: SendFrom = this.need === 'any' ? 'acknowledged' : 'here'): void {
    const { isControlling, sender, liveness, host } = this.#config;
    const before = this.current;
    const wasDoubtful = liveness.isDoubtful;
    const others = [...this.#all].filter((other) => other !== link && (other.isMet || other === before));
    this.#choice.take(link);
    sender.restart(from);
    liveness.restart();
    if (link.framed.hasControlFrames) {
      const at = { choice: this.#choice.count, offset: sender.position };
      link.framed.write(FRAME.at, encodeAt(at));
    }
    for (const other of others) {
      if (other === before && wasDoubtful) this.drop(other);
      // The other side only follows: a choice that is on its way may bring it back to this link.
      else if (isControlling || other.hasPeerLeft) this.#leave(other);
    }
    if (before !== link) host.onPath(link.framed);
    if (this.current !== undefined) sender.pump(this.current.framed);
    this.tellNeed();
  }

  /** Sends nothing more on a link, which is closed once the peer sends nothing more on it either. */
  #leave(link: TransportLink): void {
    if (link.leave(this.#config.scheduler)) this.#all.delete(link);
  }
}
