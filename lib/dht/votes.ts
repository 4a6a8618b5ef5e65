/** Where each host that pushed a parcel says that it saw the sender. One host has one voice, however many nodes it has. */
export type Votes = Map<string, string | undefined>;

/** The voice of this node itself, to which the sender gave the parcel. */
export const OWN_VOTE = 'own';

/** An address that is ahead of all others by so many voices is believed at once. */
const LEAD = 3;

/** One alone is never believed, unless there is nobody else. */
const AT_LEAST = 2;

/**
 * The address on which those who pushed a parcel agree, so that no single one of them can choose it: what this node saw itself; or what is ahead
 * by {@link LEAD} voices; or, when there will be no more voices, what at least {@link AT_LEAST} and more than half of them say. With fewer neighbours
 * than that, all of them.
 *
 * @param neighbours how many there are who could have pushed it.
 * @param isFinal whether there will be no more voices.
 *
 * @example
 * agreedAddress(new Map([['198.51.100.1', '192.0.2.1'], ['198.51.100.2', '192.0.2.1']]), 20, true); // '192.0.2.1'
 */
export function agreedAddress(votes: Votes, neighbours: number, isFinal: boolean): string | undefined {
  const own = votes.get(OWN_VOTE);
  if (own !== undefined) return own;
  const counts = new Map<string, number>();
  let total = 0;
  for (const address of votes.values()) {
    if (address === undefined) continue;
    total++;
    counts.set(address, (counts.get(address) ?? 0) + 1);
  }
  const [leader] = [...counts].sort(([, a], [, b]) => b - a);
  if (leader === undefined) return undefined;
  const [address, count] = leader;
  const others = total - count;
  if (count - others >= Math.max(1, Math.min(LEAD, neighbours))) return address;
  const isEnough = count >= Math.max(1, Math.min(AT_LEAST, neighbours)) && count > others;
  return isFinal && isEnough ? address : undefined;
}
