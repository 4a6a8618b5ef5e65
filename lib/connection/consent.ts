import type { Observable } from 'rxjs';
import { ProtocolError } from '../errors.js';
import type { FramedLink } from '../link/framed-link.js';
import type { Hello } from '../link/handshake.js';
import { Latest } from '../operators/latest.js';

/** A link on which the peer has said hello, and the connection that it named. */
export interface OfferedLink {
  readonly framed: FramedLink;
  readonly id: string;
}

/**
 * Whether the peer has agreed to this connection, and its id. When both nodes dial at once, each chooses an id; the peer's link is kept
 * in reserve until it is known which of the two links becomes the connection.
 */
export class Consent {
  readonly #given = new Latest<void>();
  #isGiven = false;
  #spare: OfferedLink | undefined;

  /**
   * @param id names the connection on both sides. If the peer's link becomes the connection, its id is used instead.
   * @param host learns of the consent before all others.
   */
  constructor(
    public id: string,
    readonly host?: { onConsent(): void },
  ) {}

  /** Whether the peer has agreed to the connection. */
  get isGiven(): boolean {
    return this.#isGiven;
  }

  /** Emits once when the peer agrees to the connection; completes without emitting when it never will. */
  get given$(): Observable<void> {
    return this.#given.value$;
  }

  /** The peer has agreed to the connection: the link in reserve is not needed. */
  give(): void {
    const isNew = !this.#isGiven;
    this.#isGiven = true;
    this.#dropSpare();
    if (isNew) this.host?.onConsent();
    this.#given.next();
    this.#given.complete();
  }

  /**
   * The peer says hello.
   *
   * @returns whether this is the peer's first consent.
   * @throws ProtocolError when it names another connection.
   */
  hear({ connection }: Hello): boolean {
    if (connection !== this.id) throw new ProtocolError('Expected a hello for this connection, got another');
    if (this.#isGiven) return false;
    this.give();
    return true;
  }

  /** Keeps a link in reserve that the peer made at the same time. */
  keep(spare: OfferedLink): void {
    this.#dropSpare();
    this.#spare = spare;
  }

  /** Takes the link in reserve, if there is one and it is not broken. */
  takeSpare(): OfferedLink | undefined {
    const spare = this.#spare;
    if (spare?.framed.isBroken !== false) return undefined;
    this.#spare = undefined;
    return spare;
  }

  /** The connection has ended: drops the link in reserve, and completes `given$`. */
  close(): void {
    this.#dropSpare();
    this.#given.complete();
  }

  #dropSpare(): void {
    this.#spare?.framed.destroy();
    this.#spare = undefined;
  }
}
