import { map, type Observable } from 'rxjs';
import { ProtocolError } from '../errors.js';
import type { PeerId } from '../identity.js';
import type { Link } from '../link/link.js';
import { Latest } from '../operators/latest.js';
import { parseUnl } from '../unl.js';
import type { UnlV3 } from '../unl/types.js';

/** How many addresses of a peer are remembered: more than a node moves through during one connection. */
const MAX_ADDRESSES = 16;

/** Where the two nodes of a connection are: the locators that they tell each other, and the addresses that links have led to. */
export class Whereabouts {
  /** This node's locator as text, to be told to the peer; `undefined` before it is known. */
  own: string | undefined;
  readonly #peerId: PeerId;
  /** The peer's locator as text: it is seldom asked for, and takes less memory than what is parsed. */
  readonly #peer = new Latest<string>();
  #addresses: readonly string[] = [];

  constructor(peerId: PeerId) {
    this.#peerId = peerId;
  }

  /** The locators that the peer tells, beginning with the latest. */
  get peer$(): Observable<UnlV3> {
    return this.#peer.value$.pipe(map((text) => this.#locatorIn(text)));
  }

  /** Whether a direct link has led to the peer at an address. */
  hasLedTo(address: string): boolean {
    return this.#addresses.includes(address);
  }

  /** Remembers the address that a direct link has led to. */
  note({ direct, remote }: Link): void {
    if (!direct || this.#addresses.length >= MAX_ADDRESSES || this.hasLedTo(remote.address)) return;
    this.#addresses = this.#addresses.concat(remote.address);
  }

  /**
   * The peer tells its locator.
   *
   * @throws ProtocolError when it is another node's locator; InvalidUnlError when it cannot be parsed.
   */
  hear(payload: Buffer): void {
    const text = payload.toString('utf8');
    this.#locatorIn(text);
    this.#peer.next(text);
  }

  #locatorIn(text: string): UnlV3 {
    const unl = parseUnl(text);
    if (unl.version !== 3 || unl.peerId !== this.#peerId)
      throw new ProtocolError("Expected the peer's own locator, got another");
    return unl;
  }

  /** The connection has ended: completes `peer$`. */
  complete(): void {
    this.#peer.complete();
  }
}
