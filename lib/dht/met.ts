import type { PeerId } from '../identity.js';
import { parseUnl } from '../unl.js';
import type { UnlV3 } from '../unl/types.js';
import type { NamedMember } from './topic-messages.js';
import { agreedAddress, type Votes } from './votes.js';

/** A member that nodes of the DHT have named. */
export interface MetMember {
  /** Its locator: hearsay. */
  readonly unl: UnlV3;
  /** Where it was seen, if enough nodes agree on that. */
  readonly seenAt: string | undefined;
}

/** So many members are believed at once; those that more hosts name come first. */
const MAX_MET = 32;

interface Named {
  readonly votes: Votes;
  /** By which hosts each locator was named. */
  readonly unls: Map<string, { readonly unl: UnlV3; readonly hosts: Set<string> }>;
}

/**
 * The members that several nodes of the DHT have named. A host has one vote, however many nodes it has: who names members that nobody else does
 * comes last, and a wrong address of one is outvoted.
 */
export class Met {
  readonly #named = new Map<PeerId, Named>();
  readonly #hosts = new Set<string>();

  /** Takes what a node of a host has answered. */
  add(host: string, members: readonly NamedMember[]): void {
    this.#hosts.add(host);
    for (const { unl: bytes, seenAt } of members) {
      const unl = readUnl(bytes);
      if (unl === undefined) continue;
      const named: Named = this.#named.get(unl.peerId) ?? { votes: new Map(), unls: new Map() };
      this.#named.set(unl.peerId, named);
      if (!named.votes.has(host)) named.votes.set(host, seenAt);
      const text = bytes.toString('base64url');
      const by = named.unls.get(text) ?? { unl, hosts: new Set<string>() };
      named.unls.set(text, by);
      by.hosts.add(host);
    }
  }

  /** Those that were named, the ones first that most hosts have named. */
  all(): readonly MetMember[] {
    return [...this.#named.values()]
      .sort((a, b) => b.votes.size - a.votes.size)
      .slice(0, MAX_MET)
      .flatMap(({ votes, unls }) => {
        const [most] = [...unls.values()].sort((a, b) => b.hosts.size - a.hosts.size);
        return most === undefined ? [] : [{ unl: most.unl, seenAt: agreedAddress(votes, this.#hosts.size) }];
      });
  }
}

function readUnl(bytes: Buffer): UnlV3 | undefined {
  try {
    const unl = parseUnl(bytes.toString('base64url'));
    return unl.version === 3 ? unl : undefined;
  } catch {
    return undefined;
  }
}
