import type { PeerId } from '../identity.js';

/** What remembering sightings needs. */
interface SightingsConfig {
  /** The time, in milliseconds. */
  readonly now: () => number;
}

/** Where a peer was seen. */
interface Sighting {
  readonly address: string;
  readonly at: number;
}

/** For how long a sighting counts, in milliseconds. A peer that has moved by then is relayed until it is met, and so seen, anew. */
const KEPT_MS = 10 * 60_000;

/** Peers of which it is remembered where they were seen. */
const MAX_PEERS = 1_000;

/**
 * Where peers have been seen by servers that this node has chosen itself, on connections on which they have proven their keys. Some carriers
 * of signals do not see a sender's address; this tells it instead.
 */
export class Sightings {
  // In the order of time, which is that of their end.
  readonly #sightings = new Map<PeerId, Sighting>();
  readonly #now: () => number;

  constructor({ now }: SightingsConfig) {
    this.#now = now;
  }

  /** A peer is seen at an address. */
  note(peerId: PeerId, address: string): void {
    this.#sightings.delete(peerId);
    this.#sightings.set(peerId, { address, at: this.#now() });
    if (this.#sightings.size <= MAX_PEERS) return;
    for (const oldest of this.#sightings.keys()) {
      this.#sightings.delete(oldest);
      return;
    }
  }

  /** Where a peer was seen last; `undefined` if that was too long ago, or never. */
  addressOf(peerId: PeerId): string | undefined {
    const sighting = this.#sightings.get(peerId);
    return sighting !== undefined && this.#now() - sighting.at < KEPT_MS ? sighting.address : undefined;
  }
}
