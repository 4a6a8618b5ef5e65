import { siteBuckets } from '../../lib/bounds/rate-limit.js';

/** A session that listens on a channel. */
interface Place {
  /** Newer ones have taken all places: it listens no longer. */
  gaveWay(): void;
}

/** The most sessions that listen on a channel: PyP2P has one node for each address, and a few may share one behind a NAT. */
const MAX_LISTENERS = 8;

/**
 * Lines that one site may cause: a simultaneous open takes one or two for each session at the peer's address. Long replies to the
 * site's own nodes count, too: a list of 100 nodes as ten to fifty lines. Many nodes may share one address.
 */
const OF_SITE = { perSecond: 50, burst: 400 };

/**
 * Limits lines that are forwarded from one session to others, over channels of the store. Each channel has few listeners, so a
 * line to an address costs little however many sessions claim to be at that address. The lines are counted for the site of the
 * sender.
 */
export class Forwarding {
  readonly #listeners = new Map<string, Set<Place>>();

  /** Whether a site may have that many more lines forwarded. */
  readonly mayForward: (site: string, lines: number) => boolean;

  /** @param now the time, in milliseconds. */
  constructor(now: () => number) {
    this.mayForward = siteBuckets({ now, ...OF_SITE });
  }

  /** How many sessions listen on a channel. */
  listenersOf(channel: string): number {
    return this.#listeners.get(channel)?.size ?? 0;
  }

  /**
   * Counts a session among those that listen on a channel, until it leaves. The newest are heard, since a node that comes back may have
   * left a dead session behind: the oldest gives way once there are too many.
   */
  join(channel: string, place: Place): void {
    const all = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, all.add(place));
    const [oldest] = all;
    if (all.size > MAX_LISTENERS && oldest !== undefined) {
      all.delete(oldest);
      oldest.gaveWay();
    }
  }

  /** A session listens no longer. Does nothing where it does not. */
  leave(channel: string, place: Place): void {
    const all = this.#listeners.get(channel);
    all?.delete(place);
    if (all?.size === 0) this.#listeners.delete(channel);
  }
}
