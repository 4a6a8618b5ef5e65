import { timingSafeEqual } from 'node:crypto';
import { siteOf } from '../bounds/site.js';
import { formatEndpoint, type Endpoint } from '../endpoint.js';

/** For so long a node that was announced to may push: as long as it keeps the announcement. */
const NEIGHBOUR_MS = 60_000;

/** Far more than are announced to, even with those of earlier renewals. */
const MAX_NEIGHBOURS = 256;

/** Secrets kept for one node: the latest, and earlier ones in case the latest announcement was lost. */
const MAX_SECRETS = 4;

interface Neighbour {
  readonly host: string;
  readonly at: number;
  /** The latest first. */
  readonly secrets: readonly Buffer[];
}

/** The nodes to which this peer was announced. Only they may push to it. */
export class Neighbours {
  /** Ordered by announcement, the latest last. */
  readonly #known = new Map<string, Neighbour>();

  constructor(readonly now: () => number) {}

  /**
   * Takes a node, anew if it is one already.
   *
   * @param secret what only this node is given, and has to bring back.
   */
  add(endpoint: Endpoint, secret: Buffer): void {
    const key = formatEndpoint(endpoint);
    const before = this.#alive(key)?.secrets ?? [];
    this.#known.delete(key);
    this.#known.set(key, {
      host: siteOf(endpoint.address),
      at: this.now(),
      secrets: [secret, ...before].slice(0, MAX_SECRETS),
    });
    for (const [oldest, { at }] of this.#known) {
      if (this.#known.size <= MAX_NEIGHBOURS && at + NEIGHBOUR_MS > this.now()) break;
      this.#known.delete(oldest);
    }
  }

  /** Whether a node may push: this peer was announced to it, and it repeats its secret, which rules out a forged source address. */
  mayPush(endpoint: Endpoint, secret: Buffer): boolean {
    const secrets = this.#alive(formatEndpoint(endpoint))?.secrets ?? [];
    return secrets.some((known) => known.length === secret.length && timingSafeEqual(known, secret));
  }

  /** How many different hosts they are on. */
  hosts(): number {
    const live = [...this.#known.values()].filter(({ at }) => at + NEIGHBOUR_MS > this.now());
    return new Set(live.map(({ host }) => host)).size;
  }

  #alive(key: string): Neighbour | undefined {
    const found = this.#known.get(key);
    return found !== undefined && found.at + NEIGHBOUR_MS > this.now() ? found : undefined;
  }
}
