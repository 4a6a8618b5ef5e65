import { Admission } from '../../lib/bounds/admission.js';
import { ByAge } from '../../lib/bounds/by-age.js';
import type { JoinRequest } from '../../lib/techniques/relay/protocol.js';
import { FadingSet } from './fading-set.js';

/** What {@link Tokens} needs. */
interface TokensConfig {
  /** How long a token is remembered, in milliseconds: as long as a request with it could be replayed. */
  readonly forMs: number;
  /** Tokens that are remembered at most, each with what it was used for. */
  readonly maxTokens: number;
  /** The time of day, in milliseconds: that by which requests are in time. */
  readonly now: () => number;
}

/** Who came first with a token. */
interface Use<T> {
  readonly from: string;
  readonly to: string;
  /** The site that it is counted by. */
  readonly site: string;
  readonly since: number;
  /** What is kept of it while it waits. */
  waiting: T | undefined;
  hasMet: boolean;
}

/**
 * Knows which node waits for which, and what each token was used for: a token joins two nodes once. Sites share the room; the
 * newest token of the largest site is evicted. Evicted tokens are kept in a set of fixed size, so that their requests cannot be
 * replayed.
 */
export class Tokens<T> {
  // In the order of arrival, which is the order of expiry.
  readonly #uses = new ByAge<string, Use<T>>();
  readonly #room: Admission<string>;
  /** Those that gave way. */
  readonly #spent: FadingSet;

  constructor(readonly config: TokensConfig) {
    this.#room = new Admission({ most: config.maxTokens });
    this.#spent = new FadingSet({ ...config });
  }

  /** Why a request from a site is of no use, if it is of none. */
  refusalOf({ from, to, token }: JoinRequest, site: string): 'replayed' | 'taken' | 'gone' | 'server-full' | undefined {
    this.#forget();
    const use = this.#uses.get(token);
    if (use === undefined) {
      if (this.#spent.has(token)) return 'gone';
      return this.#room.hasRoomFor(site) ? undefined : 'server-full';
    }
    if (from === use.from && to === use.to) return 'replayed';
    if (from !== use.to || to !== use.from) return 'taken';
    if (use.waiting !== undefined) return undefined;
    return use.hasMet ? 'replayed' : 'gone';
  }

  /** Whether somebody waits for the sender of a request that is not refused. */
  isAwaited({ token }: JoinRequest): boolean {
    return this.#uses.get(token)?.waiting !== undefined;
  }

  /** Who waits for the sender of a request that is not refused; it waits no longer. */
  meet({ token }: JoinRequest): T | undefined {
    const use = this.#uses.get(token);
    const waiting = use?.waiting;
    if (use === undefined || waiting === undefined) return undefined;
    use.waiting = undefined;
    use.hasMet = true;
    return waiting;
  }

  /** Adds a waiting node, whose request was not refused and whose partner has not come. Returns the node that was evicted for it. */
  wait({ from, to, token }: JoinRequest, site: string, waiting: T): T | undefined {
    const { gaveWay } = this.#room.admit(site, token);
    const before = gaveWay === undefined ? undefined : this.#uses.get(gaveWay);
    if (gaveWay !== undefined) {
      this.#uses.delete(gaveWay);
      this.#spent.add(gaveWay);
    }
    this.#uses.add(token, { from, to, site, since: this.config.now(), waiting, hasMet: false });
    return before?.waiting;
  }

  /** Ends the wait of the node with a token, without a meeting. */
  leave(token: string): void {
    const use = this.#uses.get(token);
    if (use) use.waiting = undefined;
  }

  #forget(): void {
    const { forMs, now } = this.config;
    const before = now() - forMs;
    for (const [token, { site, since, waiting }] of this.#uses) {
      if (since >= before) break;
      if (waiting !== undefined) continue;
      this.#uses.delete(token);
      this.#room.leave(site, token);
    }
  }
}
