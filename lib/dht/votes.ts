import { COPIES } from './send.js';

/** The sender's address as each host that pushed a parcel saw it. A host has one vote, however many nodes it has. */
export type Votes = Map<string, string | undefined>;

/** The vote of this node itself, when the sender stored the parcel here. */
export const OWN_VOTE = 'own';

/** An address is believed only with this many times the votes of all others together. */
const LEAD = 2;

/**
 * How many hosts must agree: more than half of those that hold a copy of a parcel. These are all neighbours in a small DHT, and
 * {@link COPIES} in a larger one.
 *
 * Whoever sends a parcel chooses which nodes get it. If a majority of the votes were enough, an attacker with two hosts would
 * store it only there, and nobody would contradict. So votes are compared with the number of neighbours, not with the number of
 * votes. Of twenty neighbours seven have to agree: where a fifth lies, four cannot. Of the twelve copies of an honest parcel at
 * least eight are with honest ones, who can: and eight are twice four, whom they outvote. Of two neighbours both have to agree,
 * of three two. A single one is believed, as a rendezvous server would be.
 *
 * @param neighbours how many hosts there are that could have pushed it.
 */
export function majorityOf(neighbours: number): number {
  return Math.floor(Math.min(neighbours, COPIES) / 2) + 1;
}

/**
 * The sender's address on which the pushing hosts agree, so that a few of them cannot forge it: the address that this node saw
 * itself, or one with the votes of {@link majorityOf} its neighbours and at least {@link LEAD} times all other votes. `undefined`
 * when there is none.
 *
 * @param neighbours how many hosts there are that could have pushed it.
 *
 * @example
 * agreedAddress(new Map([['198.51.100.1', '192.0.2.1'], ['198.51.100.2', '192.0.2.1']]), 3); // '192.0.2.1'
 * agreedAddress(new Map([['198.51.100.1', '192.0.2.1'], ['198.51.100.2', '192.0.2.1']]), 20); // undefined
 */
export function agreedAddress(votes: Votes, neighbours: number): string | undefined {
  const own = votes.get(OWN_VOTE);
  if (own !== undefined) return own;
  const counts = new Map<string, number>();
  let total = 0;
  for (const address of votes.values()) {
    if (address === undefined) continue;
    total++;
    counts.set(address, (counts.get(address) ?? 0) + 1);
  }
  const most = Math.max(majorityOf(neighbours), Math.ceil((total * LEAD) / (LEAD + 1)));
  return [...counts].find(([, count]) => count >= most)?.[0];
}
