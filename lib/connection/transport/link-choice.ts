import type { FramedLink } from '../../link/framed-link.js';
import type { Link } from '../../link/link.js';
import type { TransportLink } from './transport-link.js';

/** Which link a connection needs: none; a direct one, since its link is relayed; or any. */
export type Need = 'none' | 'direct' | 'any';

/** Whether a connection with this need wants a link. */
export function isWanted({ direct }: Link, need: Need): boolean {
  return need === 'any' || (need === 'direct' && direct);
}

/**
 * Which link this side sends on. The controlling side chooses, and numbers its choices; the other side follows the latest choice that
 * it knows of.
 */
export class LinkChoice {
  /** The number of the latest choice that this side knows of. */
  #count = 0;
  #current: TransportLink | undefined;
  #lastLink: FramedLink;

  /**
   * @param isControlling whether this side chooses.
   */
  constructor(
    first: TransportLink,
    readonly isControlling: boolean,
  ) {
    this.#current = first;
    this.#lastLink = first.framed;
  }

  /** The number of the latest choice that this side knows of. */
  get count(): number {
    return this.#count;
  }

  /** The link that this side sends on; `undefined` when it is lost. */
  get current(): TransportLink | undefined {
    return this.#current;
  }

  /** The link that this side has sent on last, even if it is lost by now. */
  get lastLink(): FramedLink {
    return this.#lastLink;
  }

  /** Chooses a link to send on. */
  take(link: TransportLink): void {
    if (this.isControlling) link.choice = ++this.#count;
    link.isUsed = true;
    this.#current = link;
    this.#lastLink = link.framed;
  }

  /** Learns of a choice of the controlling side. Returns whether this side has to follow it. */
  hear(link: TransportLink, choice: number): boolean {
    if (this.isControlling || choice < this.#count) return false;
    this.#count = choice;
    link.choice = choice;
    return link !== this.#current && !link.isLeft;
  }

  /** Whether a peer that reports the link of a choice as lost means the link that this side sends on. */
  isLostWith(choice: number | undefined): boolean {
    const mine = this.#current?.choice;
    return mine !== undefined && choice !== undefined && mine <= choice;
  }

  /** There is no link to send on. */
  clear(): void {
    this.#current = undefined;
  }

  /** Starts over, as if there had been no choice. */
  restart(): void {
    this.#count = 0;
    this.#current = undefined;
  }
}
