import { COPIES } from './send.js';

/** Where each host that pushed a parcel says that it saw the sender. One host has one voice, however many nodes it has. */
export type Votes = Map<string, string | undefined>;

/** The voice of this node itself, to which the sender gave the parcel. */
export const OWN_VOTE = 'own';

/** An address is believed only when it has so many times as many voices as all others together. */
const LEAD = 2;

/**
 * How many hosts have to say the same: more than half of those at which there are copies of a parcel, which are all neighbours where
 * there are few, and {@link COPIES} of them where there are more.
 *
 * Whoever sends a parcel chooses which nodes get it. If it were enough to be ahead of the others, somebody with two hosts would give it
 * to these alone, and nobody would contradict. So voices are counted against the neighbours there are and not against those that speak.
 * Of twenty neighbours seven have to agree: where a fifth lies, four cannot. Of the twelve copies of an honest parcel at least
 * eight are with honest ones, who can: and eight are twice four, whom they outvote.
 * Of two neighbours both have to agree, of three two. A single one is believed, as a rendezvous server would be.
 *
 * @param neighbours how many hosts there are that could have pushed it.
 */
export function majorityOf(neighbours: number): number {
  return Math.floor(Math.min(neighbours, COPIES) / 2) + 1;
}

/**
 * The address on which those who pushed a parcel agree, so that no few of them can choose it: what this node saw itself; or what
 * {@link majorityOf} its neighbours say, and at least {@link LEAD} times as many as say anything else. `undefined` when there is none.
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
