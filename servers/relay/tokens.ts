import type { JoinRequest } from '../../lib/relay/messages.js';

/** What {@link Tokens} needs. */
export interface TokensConfig {
  /** For how long a token is remembered, in milliseconds: for as long as a request with it could be said again. */
  readonly forMs: number;
  /** Tokens that are remembered at most. */
  readonly maxTokens: number;
  /** The time of day, in milliseconds: that by which requests are in time. */
  readonly now: () => number;
}

/** Who came first with a token. */
interface Use<T> {
  readonly from: string;
  readonly to: string;
  readonly since: number;
  /** What is kept of it while it waits. */
  waiting: T | undefined;
  hasMet: boolean;
}

/**
 * Which nodes wait for which, and what each token has been used for: it joins two nodes once, and nobody else. When it cannot
 * remember more it takes no new ones, rather than forget what somebody could say again.
 */
export class Tokens<T> {
  // In the order of arrival, which is the order of expiry.
  readonly #uses = new Map<string, Use<T>>();

  constructor(readonly config: TokensConfig) {}

  /** Why a request is of no use, if it is of none. */
  refusalOf({ from, to, token }: JoinRequest): 'replayed' | 'taken' | 'gone' | 'server-full' | undefined {
    this.#forget();
    const use = this.#uses.get(token);
    if (use === undefined) return this.#uses.size < this.config.maxTokens ? undefined : 'server-full';
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

  /** The sender of a request that is not refused, and meets nobody, waits. */
  wait({ from, to, token }: JoinRequest, waiting: T): void {
    this.#uses.set(token, { from, to, since: this.config.now(), waiting, hasMet: false });
  }

  /** Whoever waits with a token does so no longer, and has met nobody. */
  leave(token: string): void {
    const use = this.#uses.get(token);
    if (use) use.waiting = undefined;
  }

  #forget(): void {
    const { forMs, now } = this.config;
    const before = now() - forMs;
    for (const [token, { since, waiting }] of this.#uses) {
      if (since >= before) break;
      if (waiting === undefined) this.#uses.delete(token);
    }
  }
}
