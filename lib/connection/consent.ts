import { ReplaySubject, type Observable } from 'rxjs';
import { ProtocolError } from '../errors.js';
import type { FramedLink } from '../link/framed-link.js';
import type { Hello } from '../link/handshake.js';

/** A link on which the peer has said hello, and the connection that it named. */
export interface OfferedLink {
  readonly framed: FramedLink;
  readonly id: string;
}

/**
 * Whether the peer holds this connection, too, and by which id. Both nodes may have dialled, each with an id of its own; until one
 * has taken the other's link, a second link is kept in reserve.
 */
export class Consent {
  readonly #given = new ReplaySubject<void>(1);
  #isGiven = false;
  #spare: OfferedLink | undefined;

  /**
   * @param id what names the connection on both sides. The peer may have another for it, and then this side takes that.
   */
  constructor(public id: string) {}

  /** Whether the peer is known to hold the connection, too. */
  get isGiven(): boolean {
    return this.#isGiven;
  }

  /** Emits once when the peer is known to hold the connection, too; only completes when it never will. */
  get given$(): Observable<void> {
    return this.#given.asObservable();
  }

  /** The peer holds the connection, too: no second link is needed. */
  give(): void {
    this.#isGiven = true;
    this.#dropSpare();
    this.#given.next();
    this.#given.complete();
  }

  /**
   * The peer says hello.
   *
   * @returns whether it is by this that the peer is known to hold the connection.
   * @throws ProtocolError when it names another connection.
   */
  hear({ connection }: Hello): boolean {
    if (connection !== this.id) throw new ProtocolError('Expected a hello for this connection, got another');
    if (this.#isGiven) return false;
    this.give();
    return true;
  }

  /** Keeps a second link that the peer offered before it knew of the first. */
  keep(spare: OfferedLink): void {
    this.#dropSpare();
    this.#spare = spare;
  }

  /** Hands over the second link, if there is one that is not broken. */
  takeSpare(): OfferedLink | undefined {
    const spare = this.#spare;
    if (spare?.framed.isBroken !== false) return undefined;
    this.#spare = undefined;
    return spare;
  }

  /** The connection has ended: drops the second link, and consent will never come any more. */
  close(): void {
    this.#dropSpare();
    this.#given.complete();
  }

  #dropSpare(): void {
    this.#spare?.framed.destroy();
    this.#spare = undefined;
  }
}
