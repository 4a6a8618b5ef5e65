/**
 * Some of many entries, from as many sites as there can be: one of each site, then a second of each that has one, and so on. So a site with
 * hundreds of entries has no more of a short list than one with a single entry, unless the others have no more. Pure.
 *
 * @param entries in the order in which those of a site are taken, and the sites.
 * @param siteOf the site of an entry.
 * @param count how many are taken at most.
 *
 * @example
 * ofManySites(['a1', 'a2', 'a3', 'b1'], (entry) => entry.charAt(0), 3); // ['a1', 'b1', 'a2']
 */
export function ofManySites<T>(entries: readonly T[], siteOf: (entry: T) => string, count: number): T[] {
  const sites = new Map<string, T[]>();
  for (const entry of entries) {
    const site = siteOf(entry);
    const own = sites.get(site);
    if (own === undefined) sites.set(site, [entry]);
    else own.push(entry);
  }
  const chosen: T[] = [];
  for (let round = 0; chosen.length < count && sites.size > 0; round++) {
    for (const [site, own] of sites) {
      const next = own[round];
      if (next === undefined) sites.delete(site);
      else if (chosen.length < count) chosen.push(next);
    }
  }
  return chosen;
}
