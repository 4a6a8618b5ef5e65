import { Subscription } from 'rxjs';
import { siteBuckets } from '../../lib/bounds/rate-limit.js';

/** So many sessions hear what is said on a channel: PyP2P has one node an address, and a few may share one behind a NAT. */
const MAX_LISTENERS = 8;

/**
 * Lines that a site may have passed on to others: an attempt to open TCP simultaneously takes one or two, for each session at the
 * address that it is with. What is said at length to nodes of the site itself counts, too: a list of 100 nodes as some ten to fifty
 * lines. Many nodes may share one address.
 */
const OF_SITE = { perSecond: 50, burst: 400 };

/**
 * How a line of one session reaches others: on channels of the store that few listen on, so that however many sessions say that they are
 * at an address, a line for it costs this server no more than those few; and at the expense of the site that it comes from.
 */
export class Forwarding {
  readonly #listeners = new Map<string, Set<() => void>>();

  /** Whether a site may have so many more lines passed on. */
  readonly mayForward: (site: string, lines: number) => boolean;

  /** @param now the time, in milliseconds. */
  constructor(now: () => number) {
    this.mayForward = siteBuckets({ ...OF_SITE, now });
  }

  /** How many sessions listen on a channel. */
  listenersOf(channel: string): number {
    return this.#listeners.get(channel)?.size ?? 0;
  }

  /**
   * Counts a session among those that listen on a channel, until the subscription that is returned is unsubscribed from. The newest
   * are heard, since a node that comes back may have left a dead session behind.
   *
   * @param giveWay is called once newer ones have taken all places: the session listens no longer.
   */
  join(channel: string, giveWay: () => void): Subscription {
    const all = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, all.add(giveWay));
    const [oldest] = all;
    if (all.size > MAX_LISTENERS && oldest !== undefined) {
      all.delete(oldest);
      oldest();
    }
    return new Subscription(() => {
      all.delete(giveWay);
      if (all.size === 0) this.#listeners.delete(channel);
    });
  }
}
