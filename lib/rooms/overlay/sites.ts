/**
 * Who may give way to a newcomer: the peers of the site that has most of the places, in their order. Where the newcomer's own site would have as many,
 * they are of that one, so that one site with many keys puts out none of a smaller one. Pure.
 *
 * @param site the newcomer's.
 *
 * @example
 * ofGreediest([{ site: 'a' }, { site: 'a' }, { site: 'b' }], 'c'); // [{ site: 'a' }, { site: 'a' }]
 */
export function ofGreediest<T extends { readonly site: string }>(peers: readonly T[], site: string): readonly T[] {
  const counts = new Map([[site, 1]]);
  for (const peer of peers) counts.set(peer.site, (counts.get(peer.site) ?? 0) + 1);
  const most = Math.max(...counts.values());
  // With one place each nobody is greedy.
  if (most === 1) return peers;
  const isOwn = counts.get(site) === most;
  return peers.filter((peer) => (isOwn ? peer.site === site : counts.get(peer.site) === most));
}
