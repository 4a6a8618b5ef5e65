import { Admission } from '../bounds/admission.js';
import { sharedRate } from '../bounds/shared-rate.js';
import { siteOf } from '../bounds/site.js';
import { scopeOf } from '../endpoint.js';
import type { PeerId } from '../identity.js';
import type { Source } from '../link/multicast.js';
import { isSigned, readStatement, type Claim } from './statement.js';

/** For how long what is heard holds at most, in seconds: as records of hosts do (RFC 6762 §10). */
export const TTL_S = 120;

/**
 * A node that says goodbye is forgotten after this time, in milliseconds, and so is one of whose record somebody repeats a copy that soon does not
 * hold any more. Meanwhile it can contradict: it says the same once a second at most, and twice, since a packet may be lost. RFC 6762 §10.1
 * has a second, which the first of these may just miss.
 */
const GOODBYE_MS = 3_000;

/** A node that does not answer is forgotten after this time, in milliseconds, unless it is heard meanwhile (RFC 6762 §10.4 has 10 s). */
const DOUBT_MS = 3_000;

/** Nodes that are remembered: more than most networks have hosts. One host cannot take all the room. */
const REMEMBERED = { most: 1_000, mostOfSite: 250 };

/** Signatures that are checked, each a fifth of a millisecond: of all hosts, of one, and what each is assured of: a node says something new now and then. */
const CHECKED = {
  all: { perSecond: 50, burst: 250 },
  ofSite: { perSecond: 5, burst: 50 },
  assured: { perSecond: 0.1, burst: 5 },
  maxSites: REMEMBERED.most,
};

/** A node that was heard, and what it says of itself. */
export interface Heard {
  readonly claim: Claim;
  /** When it was heard first, in milliseconds since the epoch. */
  readonly since: number;
  /** The interfaces of this machine by which the claim came. */
  readonly by: ReadonlySet<string>;
  /** Who is counted for it: the host that has sent it first. */
  readonly site: string;
}

interface Entry extends Heard {
  /** The strings of the record, as one text. */
  readonly said: string;
  expiresAt: number;
}

/** A TXT record. */
interface Said {
  /** It follows from the key of the node that says it. */
  readonly name: string;
  readonly texts: readonly Buffer[];
  /** For how long it holds, in seconds; zero: the node is leaving. */
  readonly ttl: number;
}

/** Who has sent a record. */
type Sender = Pick<Source, 'address' | 'interfaceName'>;

/** What the neighbourhood needs of the outside. */
interface NeighbourhoodConfig {
  /** A clock that never jumps, in milliseconds. */
  readonly now: () => number;
  /** The time of day, in milliseconds since the epoch. */
  readonly timeOfDay: () => number;
}

/**
 * The nodes that were heard on the local network: those whose statements are signed by their keys, for as long as these hold. Of two
 * statements of one node the later one counts. Pure.
 */
export class Neighbourhood {
  readonly #entries = new Map<PeerId, Entry>();
  readonly #room = new Admission<PeerId>(REMEMBERED);
  readonly #mayCheck: (site: string) => boolean;
  #changes = 0;

  constructor(readonly config: NeighbourhoodConfig) {
    const { now } = config;
    this.#mayCheck = sharedRate({ now, ...CHECKED });
  }

  /** Another number whenever something has changed. */
  get changes(): number {
    return this.#changes;
  }

  /** All that are there, in the order in which they came. */
  get all(): readonly Heard[] {
    return [...this.#entries.values()];
  }

  get(peerId: PeerId): Heard | undefined {
    return this.#entries.get(peerId);
  }

  /** For how long what a node has said holds yet, in seconds; zero where it is not known. */
  secondsLeftOf(peerId: PeerId): number {
    const { expiresAt } = this.#entries.get(peerId) ?? {};
    return expiresAt === undefined ? 0 : Math.max(0, Math.floor((expiresAt - this.config.now()) / 1_000));
  }

  /** When the next one is forgotten. */
  get nextAt(): number | undefined {
    let next: number | undefined;
    for (const { expiresAt } of this.#entries.values()) next = Math.min(next ?? expiresAt, expiresAt);
    return next;
  }

  /**
   * Takes what was heard. Returns the node of which somebody says that it soon does not hold any more: it is to be asked. Anybody can repeat what
   * it says with another time, also as a goodbye, since the time is not signed; to this node alone, so that the node does not hear of it.
   *
   * @param from who has sent it, and by which interface it came.
   */
  hear({ name, texts, ttl }: Said, from: Sender): PeerId | undefined {
    const claim = readStatement(texts);
    if (claim?.instance !== name) return undefined;
    const known = this.#entries.get(claim.peerId);
    const said = Buffer.concat(texts).toString('latin1');
    if (known?.said === said) return this.#renew(known, ttl, from.interfaceName) ? claim.peerId : undefined;
    if (ttl > 0 && (known === undefined || isLater(claim, known.claim))) this.#learn(claim, said, ttl, from);
    return undefined;
  }

  /** A node did not answer: it is forgotten soon unless it is heard again. */
  doubt(peerId: PeerId): void {
    const entry = this.#entries.get(peerId);
    if (entry !== undefined) entry.expiresAt = Math.min(entry.expiresAt, this.config.now() + DOUBT_MS);
  }

  /** Forgets what does not hold any more. */
  expire(): void {
    const now = this.config.now();
    for (const [peerId, { expiresAt }] of this.#entries) if (expiresAt <= now) this.#forget(peerId);
  }

  /** Forgets all. */
  clear(): void {
    for (const peerId of this.#entries.keys()) this.#forget(peerId);
  }

  /** Returns whether it holds for a shorter time than before. */
  #renew(entry: Entry, ttl: number, interfaceName: string): boolean {
    const soonest = Math.min(entry.expiresAt, this.config.now() + GOODBYE_MS);
    // Whoever repeats it with a shorter time has not signed that, and takes nothing from the node before it can say otherwise.
    const expiresAt = ttl === 0 ? soonest : Math.max(soonest, this.#expiryOf(ttl));
    const isShorter = expiresAt < entry.expiresAt;
    if (entry.by.has(interfaceName)) {
      entry.expiresAt = expiresAt;
      return isShorter;
    }
    this.#entries.set(entry.claim.peerId, { ...entry, expiresAt, by: new Set([...entry.by, interfaceName]) });
    this.#changes++;
    return isShorter;
  }

  #learn(claim: Claim, said: string, ttl: number, { address, interfaceName }: Sender): void {
    const site = siteOfNeighbour(address);
    if (!this.#mayCheck(site) || !isSigned(claim)) return;
    const { peerId } = claim;
    const known = this.#entries.get(peerId);
    if (known === undefined) {
      const { isIn, gaveWay } = this.#room.admit(site, peerId);
      if (gaveWay !== undefined) this.#entries.delete(gaveWay);
      if (!isIn) return;
    }
    const since = known?.since ?? this.config.timeOfDay();
    const by = new Set([interfaceName]);
    this.#entries.set(peerId, { claim, said, since, by, site: known?.site ?? site, expiresAt: this.#expiryOf(ttl) });
    this.#changes++;
  }

  #expiryOf(ttl: number): number {
    return this.config.now() + Math.min(ttl, TTL_S) * 1_000;
  }

  #forget(peerId: PeerId): void {
    const entry = this.#entries.get(peerId);
    if (entry === undefined) return;
    this.#entries.delete(peerId);
    this.#room.leave(entry.site, peerId);
    this.#changes++;
  }
}

/** Of two statements of the same time the one with topics counts: somebody may have left them out. */
function isLater(claim: Claim, known: Claim): boolean {
  return claim.time > known.time || (claim.time === known.time && claim.marks.length > known.marks.length);
}

/** Who is counted for what comes from an address: on one link all link-local addresses are of one /64, but of many hosts. */
export function siteOfNeighbour(address: string): string {
  return scopeOf(address) === 'linkLocal' ? address : siteOf(address);
}
