import { siteOf } from '../bounds/site.js';
import { formatEndpoint } from '../endpoint.js';
import type { Answer, Contact } from './node.js';

/** Kademlia's k: how many nodes a lookup finds. */
export const CLOSEST = 20;

/** How many questions each path has open at once. Many, so that unanswered ones do not hold up the others. */
const PARALLEL = 12;

/**
 * How many of the nodes named by one node may be silent or unanswered; half as many as have answered, if that is more. So a node
 * with an outdated table, or that invents nodes, costs a lookup little time.
 */
const MAX_MISSES = 3;

/** Nodes of one host among those that are found: ids follow from ports, of which a host has many. */
const MAX_PER_HOST = 2;

/** Fewer nodes than this are hardly enough to store a parcel safely. */
const FEW = 3;

/** Nodes heard of in one lookup, at most. */
const MAX_HEARD_OF = 2_000;

/** A node that was found, and what it said. */
export interface Found {
  readonly contact: Contact;
  readonly token: Buffer | undefined;
  /** Where it sees this node. */
  readonly seenAs: Answer['seenAs'];
}

interface Candidate {
  readonly contact: Contact;
  readonly distance: Buffer;
  /** The node that named it; none for the nodes that the lookup began with. */
  readonly referrers: Candidate[];
  /** `useless`: slow, silent, or no node of this kind. */
  state: 'new' | 'asked' | 'found' | 'useless';
  found: Found | undefined;
  /** How many of those that it named have answered, are silent, and are waited for. */
  hits: number;
  misses: number;
  waiting: number;
}

/** A question that a lookup wants to be asked. */
export interface Step {
  readonly contact: Contact;
  /** On which of the ways. */
  readonly path: number;
}

/**
 * The state of a lookup, without network and time: the nodes on each path, which to ask next, and when it is finished. A node is
 * asked on one path only, so that a liar on one path cannot influence another (S/Kademlia, §4.4).
 */
export class Walk {
  readonly #candidates = new Map<string, Candidate>();
  /** Questions under way, the slow ones among them. */
  #unanswered = 0;
  #members = 0;
  /** For each path, the nodes it has heard of, the closest first, and how many of them are waited for. */
  readonly #paths: readonly { readonly known: Candidate[]; waiting: number }[];

  constructor(
    readonly target: Buffer,
    start: readonly Contact[],
    paths: number,
    readonly ownId: Buffer | undefined,
  ) {
    this.#paths = Array.from({ length: paths }, () => ({ known: [], waiting: 0 }));
    for (const [index, contact] of start.entries()) this.#hear(contact, index % paths, undefined);
  }

  /** The nodes to ask now. They count as asked. */
  next(): Step[] {
    const steps: Step[] = [];
    // In turns, so that no path takes all nodes from the others.
    for (let before = -1; before < steps.length;) {
      before = steps.length;
      for (const [path, { waiting }] of this.#paths.entries()) {
        const candidate = waiting < PARALLEL ? this.#nextOf(path) : undefined;
        if (candidate === undefined) continue;
        candidate.state = 'asked';
        this.#unanswered++;
        this.#wait(path, 1);
        for (const referrer of candidate.referrers) referrer.waiting++;
        steps.push({ contact: candidate.contact, path });
      }
    }
    return steps;
  }

  /** A node has answered, be it in time or late. */
  answered({ contact, path }: Step, answer: Answer, isMember: boolean): void {
    const candidate = this.#candidates.get(formatEndpoint(contact));
    if (candidate === undefined) return;
    this.#unanswered--;
    if (isMember) this.#members++;
    if (candidate.state === 'asked') {
      this.#wait(path, -1);
      for (const referrer of candidate.referrers) {
        referrer.hits++;
        referrer.waiting--;
      }
    }
    candidate.state = isMember ? 'found' : 'useless';
    if (isMember) candidate.found = { contact, token: answer.token, seenAs: answer.seenAs };
    for (const closer of answer.closer) this.#hear(closer, path, candidate);
  }

  /** A node has not answered, and will not. */
  failed(step: Step): void {
    this.missed(step);
    this.#unanswered--;
  }

  /** A node is not waited for any more, though it may still answer. */
  missed({ contact, path }: Step): void {
    const candidate = this.#candidates.get(formatEndpoint(contact));
    if (candidate?.state !== 'asked') return;
    candidate.state = 'useless';
    this.#wait(path, -1);
    for (const referrer of candidate.referrers) {
      referrer.misses++;
      referrer.waiting--;
    }
  }

  /** Whether no node is left to ask or to wait for. A lookup that has found few nodes waits for the slow ones, too. */
  isOver(): boolean {
    if (this.#members < FEW && this.#unanswered > 0) return false;
    return this.#paths.every(({ waiting }, path) => waiting === 0 && this.#nextOf(path) === undefined);
  }

  /** The closest of those that answered. */
  found(): Found[] {
    const perHost = new Map<string, number>();
    return [...this.#candidates.values()]
      .sort((a, b) => Buffer.compare(a.distance, b.distance))
      .flatMap(({ found }) => found ?? [])
      .filter(({ contact }) => {
        const count = (perHost.get(siteOf(contact.address)) ?? 0) + 1;
        perHost.set(siteOf(contact.address), count);
        return count <= MAX_PER_HOST;
      })
      .slice(0, CLOSEST);
  }

  /** The closest node that a path has not asked, if it is among the closest nodes known; those of the other paths count, too. */
  #nextOf(path: number): Candidate | undefined {
    let closer = 0;
    for (const candidate of this.#paths[path]?.known ?? []) {
      if (closer === CLOSEST) return undefined;
      if (candidate.state === 'useless') continue;
      if (candidate.state === 'new') {
        if (isBelieved(candidate)) return candidate;
        continue;
      }
      closer++;
    }
    return undefined;
  }

  #wait(path: number, by: 1 | -1): void {
    const way = this.#paths[path];
    if (way !== undefined) way.waiting += by;
  }

  #hear(contact: Contact, path: number, referrer: Candidate | undefined): void {
    if (this.ownId?.equals(contact.id) === true) return;
    const key = formatEndpoint(contact);
    let candidate = this.#candidates.get(key);
    if (candidate === undefined) {
      if (this.#candidates.size >= MAX_HEARD_OF) return;
      const distance = Buffer.from(contact.id.map((byte, index) => byte ^ (this.target[index] ?? 0)));
      candidate = { contact, distance, referrers: [], state: 'new', found: undefined, hits: 0, misses: 0, waiting: 0 };
      this.#candidates.set(key, candidate);
    }
    if (referrer !== undefined && !candidate.referrers.includes(referrer)) {
      candidate.referrers.push(referrer);
      if (candidate.state === 'asked') referrer.waiting++;
      if (candidate.state === 'found') referrer.hits++;
      if (candidate.state === 'useless') referrer.misses++;
    }
    const known = this.#paths[path]?.known ?? [];
    if (known.includes(candidate)) return;
    const { distance } = candidate;
    const place = known.findIndex((other) => Buffer.compare(distance, other.distance) < 0);
    known.splice(place === -1 ? known.length : place, 0, candidate);
  }
}

/** Whether to ask a node: the lookup began with it, or a node named it whose other names mostly answered. */
function isBelieved({ referrers }: Candidate): boolean {
  return (
    referrers.length === 0 ||
    referrers.some(({ hits, misses, waiting }) => misses + waiting < Math.max(MAX_MISSES, hits / 2))
  );
}
