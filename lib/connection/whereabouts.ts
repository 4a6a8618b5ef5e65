import { ReplaySubject, type Observable } from 'rxjs';
import { ProtocolError } from '../errors.js';
import type { PeerId } from '../identity.js';
import type { Link } from '../link/link.js';
import { parseUnl } from '../unl.js';
import type { UnlV3 } from '../unl/types.js';

/** Addresses of a peer that are remembered: nodes move, but not that often. */
const MAX_ADDRESSES = 16;

/** Where the two nodes of a connection are: what each tells the other, and where links have led. */
export class Whereabouts {
  /** This node's locator, in text, as the peer is to be told; none before it is known. */
  own: string | undefined;
  readonly #peerId: PeerId;
  readonly #peer = new ReplaySubject<UnlV3>(1);
  readonly #addresses = new Set<string>();

  constructor(peerId: PeerId) {
    this.#peerId = peerId;
  }

  /** Where the peer says that it is; the latest, and each change. */
  get peer$(): Observable<UnlV3> {
    return this.#peer.asObservable();
  }

  /** Whether a direct link has led to the peer at an address. */
  hasLedTo(address: string): boolean {
    return this.#addresses.has(address);
  }

  /** A link has led to the peer. */
  note({ direct, remote }: Link): void {
    if (direct && this.#addresses.size < MAX_ADDRESSES) this.#addresses.add(remote.address);
  }

  /**
   * The peer tells its locator.
   *
   * @throws ProtocolError when it is not the peer's own; InvalidUnlError when it is none.
   */
  hear(payload: Buffer): void {
    const unl = parseUnl(payload.toString('utf8'));
    if (unl.version !== 3 || unl.peerId !== this.#peerId)
      throw new ProtocolError("Expected the peer's own locator, got another");
    this.#peer.next(unl);
  }

  /** The peer tells nothing any more. */
  complete(): void {
    this.#peer.complete();
  }
}
