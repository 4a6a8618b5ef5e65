import { ByAge } from '../bounds/by-age.js';
import { sameEndpoint, type Endpoint } from '../endpoint.js';
import type { PeerId } from '../identity.js';
import { parseUnl } from '../unl.js';
import { MAX_HEARSAY, mayDialHearsay, type Standpoint } from '../unl/dialable.js';
import type { UnlV3 } from '../unl/types.js';

/** Peers of which it is remembered what may be dialled. */
const MAX_PEERS = 1_000;

/** What is known of a peer otherwise than by other members' word. */
interface Vouched {
  /** What a server, the DHT or the local network has shown, as far as it may be dialled. */
  endpoints: readonly Endpoint[];
  /** The address at which a connection of this node has led to it. */
  seenAt: string | undefined;
}

/**
 * Which endpoints of members may be dialled. What other members say of a member is hearsay: a liar among them could have the whole room dial a third
 * party. So an endpoint is dialled only where a means of discovery has shown it, or this node has had the peer at that address itself. Without
 * any, the peer is asked by signals, and sees this node where the carrier does.
 */
export class VouchedEndpoints {
  readonly #known = new ByAge<PeerId, Vouched>();

  constructor(readonly standpoint: () => Standpoint) {}

  /** Discovery has found a peer: its locator has only what may be dialled. */
  found({ peerId, endpoints }: UnlV3): void {
    // One means that shows a peer elsewhere, or nowhere, does not take away what another has shown.
    const before = this.#known.get(peerId)?.endpoints ?? [];
    const others = before.filter((each) => !endpoints.some((endpoint) => sameEndpoint(each, endpoint)));
    this.#add(peerId, { endpoints: [...endpoints, ...others].slice(0, MAX_HEARSAY) });
  }

  /** A connection has led to a peer at an address. */
  met(peerId: PeerId, address: string): void {
    this.#add(peerId, { seenAt: address });
  }

  /** A member's locator with what may be dialled of it; `undefined` for one that is not of that member. */
  locatorOf(id: PeerId, text: string): UnlV3 | undefined {
    const unl = readUnl(text);
    if (unl?.peerId !== id) return undefined;
    const { endpoints: vouched = [], seenAt } = this.#known.get(id) ?? {};
    const standpoint = this.standpoint();
    const all = [...unl.endpoints, ...vouched.map((endpoint) => ({ kind: 'wan' as const, ...endpoint }))];
    const endpoints = all
      .filter(
        (endpoint) =>
          vouched.some((each) => sameEndpoint(each, endpoint)) ||
          (seenAt !== undefined && mayDialHearsay(endpoint, { at: seenAt }, standpoint)),
      )
      .filter((endpoint, index, some) => some.findIndex((other) => sameEndpoint(other, endpoint)) === index);
    return { ...unl, endpoints: endpoints.slice(0, MAX_HEARSAY) };
  }

  #add(peerId: PeerId, news: Partial<Vouched>): void {
    const known = this.#known.get(peerId) ?? { endpoints: [], seenAt: undefined };
    this.#known.add(peerId, { ...known, ...news });
    this.#known.keep(MAX_PEERS);
  }
}

/** Reads a stranger's locator. */
export function readUnl(text: string): UnlV3 | undefined {
  try {
    const unl = parseUnl(text);
    return unl.version === 3 ? unl : undefined;
  } catch {
    return undefined;
  }
}
