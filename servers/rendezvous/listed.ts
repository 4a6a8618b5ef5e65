import { canonicalAddress, familyOf } from '../../lib/endpoint.js';
import type { PeerId } from '../../lib/identity.js';
import { formatUnl, parseUnl } from '../../lib/unl.js';
import { listedOf } from '../../lib/unl/dialable.js';
import type { UnlV3 } from '../../lib/unl/types.js';
import type { ServerSession } from './session.js';

// What a node lists is kept as its locator and the address at which the server sees it, with a space between.

/** An entry of the store. */
type Entry = readonly [key: string, text: string];

/** A node as a client is told of it. */
interface Told {
  readonly peerId: PeerId;
  readonly unl: string;
  readonly seenAt: readonly string[];
}

/**
 * Each node once, with the addresses at which its sessions are seen, and those of its endpoints that a client may be told. What no server can
 * have put there is dropped.
 *
 * @param keyOf the key of the entry of a node that is listed by a family of addresses.
 */
export function toldTo(
  session: ServerSession,
  entries: readonly Entry[],
  keyOf: (peerId: PeerId, family: 4 | 6) => string,
): readonly Told[] {
  const byPeer = new Map<string, { unl: UnlV3; seenAt: string[] }>();
  for (const [key, text] of entries) {
    const [unlText = '', address = ''] = text.split(' ');
    const [unl, seenAt] = [readUnl(unlText), canonicalAddress(address)];
    if (unl === undefined || seenAt === undefined || key !== keyOf(unl.peerId, familyOf(seenAt))) {
      session.dropStray('entry');
      continue;
    }
    const known = byPeer.get(unl.peerId);
    if (known === undefined) byPeer.set(unl.peerId, { unl, seenAt: [seenAt] });
    else known.seenAt.push(seenAt);
  }
  const requesterAt = session.remote.address;
  return [...byPeer.values()].map(({ unl, seenAt }) => ({
    peerId: unl.peerId,
    unl: formatUnl(listedOf(unl, seenAt, requesterAt)),
    seenAt: seenAt.toSorted(),
  }));
}

/** Whether a locator is one of that node: a node may list only itself. */
export function isUnlOf(text: string, peerId: PeerId): boolean {
  return readUnl(text)?.peerId === peerId;
}

function readUnl(text: string): UnlV3 | undefined {
  try {
    const unl = parseUnl(text);
    return unl.version === 3 ? unl : undefined;
  } catch {
    return undefined;
  }
}
