import { formatEndpoint, hostKey, type Endpoint } from '../endpoint.js';

/** For so long a node that was announced to may push: as long as it keeps the announcement. */
const NEIGHBOUR_MS = 60_000;

/** Far more than there are, with those of the last renewals. */
const MAX_NEIGHBOURS = 256;

/** The nodes at which this node's peer is announced, and who may therefore push to it. */
export class Neighbours {
  /** When each was announced to, the latest last. */
  readonly #times = new Map<string, { readonly host: string; readonly at: number }>();

  constructor(readonly now: () => number) {}

  /** Takes a node, anew if it is one already. */
  add(endpoint: Endpoint): void {
    const key = formatEndpoint(endpoint);
    this.#times.delete(key);
    this.#times.set(key, { host: hostKey(endpoint.address), at: this.now() });
    for (const [oldest, { at }] of this.#times) {
      if (this.#times.size <= MAX_NEIGHBOURS && at + NEIGHBOUR_MS > this.now()) break;
      this.#times.delete(oldest);
    }
  }

  /** Whether a node may push. */
  has(endpoint: Endpoint): boolean {
    const found = this.#times.get(formatEndpoint(endpoint));
    return found !== undefined && found.at + NEIGHBOUR_MS > this.now();
  }

  /** How many hosts there are among them. */
  hosts(): number {
    const live = [...this.#times.values()].filter(({ at }) => at + NEIGHBOUR_MS > this.now());
    return new Set(live.map(({ host }) => host)).size;
  }
}
