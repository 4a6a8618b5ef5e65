import { ByAge } from '../bounds/by-age.js';

/** So many failures of one site are forgiven at once, … */
const FORGIVEN = 20;

/** … so many of all who come by relays together, where a key costs nothing and nothing else tells them apart, … */
const FORGIVEN_RELAYED = 200;

/** … and one more after this time, in milliseconds. A guess at a secret that is forgiven is one of 1,440 a day. */
const ONE_MORE_MS = 60_000;

/** Sites that are remembered. */
const MAX_SITES = 1_000;

/** Where a peer is. */
export interface Place {
  /** Its site; of one that comes by a relay, its key. */
  readonly site: string;
  readonly isRelayed: boolean;
}

interface Count {
  readonly count: number;
  readonly at: number;
}

/** Counts how often peers have failed to enter, by their place: each failure may have been a guess at the secret. */
export class Failures {
  readonly #bySite = new ByAge<string, Count>();
  #relayed: Count = NONE;

  constructor(readonly now: () => number) {}

  /** Whether those of a place have failed too often to be let try again now. */
  areTooMany({ site, isRelayed }: Place): boolean {
    const ofSite = this.#left(this.#bySite.get(site));
    return ofSite > FORGIVEN - 1 || (isRelayed && this.#left(this.#relayed) > FORGIVEN_RELAYED - 1);
  }

  /** A peer of a place has failed. */
  note({ site, isRelayed }: Place): void {
    const at = this.now();
    this.#bySite.add(site, { count: this.#left(this.#bySite.get(site)) + 1, at });
    this.#bySite.keep(MAX_SITES);
    if (isRelayed) this.#relayed = { count: this.#left(this.#relayed) + 1, at };
  }

  /** How many there are that time has not forgiven. */
  #left({ count, at }: Count = NONE): number {
    return Math.max(0, count - (this.now() - at) / ONE_MORE_MS);
  }
}

const NONE: Count = { count: 0, at: 0 };
