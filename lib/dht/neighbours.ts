import { timingSafeEqual } from 'node:crypto';
import { siteOf } from '../bounds/site.js';
import { formatEndpoint, type Endpoint } from '../endpoint.js';

/** For so long a node that was announced to may push: as long as it keeps the announcement. */
const NEIGHBOUR_MS = 60_000;

/** Far more than there are, with those of the last renewals. */
const MAX_NEIGHBOURS = 256;

/** Secrets of one node: of this announcement, and of those before, if the node has not got this one. */
const MAX_SECRETS = 4;

interface Neighbour {
  readonly host: string;
  readonly at: number;
  /** The latest first. */
  readonly secrets: readonly Buffer[];
}

/** The nodes at which this node's peer is announced, and who may therefore push to it. */
export class Neighbours {
  /** Those that were announced to, the latest last. */
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

  /** Whether a node may push: it is announced at, and brings what it was given, so that it is no other in its name. */
  mayPush(endpoint: Endpoint, secret: Buffer): boolean {
    const secrets = this.#alive(formatEndpoint(endpoint))?.secrets ?? [];
    return secrets.some((known) => known.length === secret.length && timingSafeEqual(known, secret));
  }

  /** How many hosts there are among them. */
  hosts(): number {
    const live = [...this.#known.values()].filter(({ at }) => at + NEIGHBOUR_MS > this.now());
    return new Set(live.map(({ host }) => host)).size;
  }

  #alive(key: string): Neighbour | undefined {
    const found = this.#known.get(key);
    return found !== undefined && found.at + NEIGHBOUR_MS > this.now() ? found : undefined;
  }
}
