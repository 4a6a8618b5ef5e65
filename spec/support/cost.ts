/** What costs less than this is no harm, however it grows, in milliseconds of CPU time. */
const HARMLESS_MS = 25;

/** Sixteen times as much costs sixteen times as much, or less than that; at 256 times it would be quadratic. */
const MOST_TIMES = 64;

/** How often something is run to know what it costs: the least counts, since whatever else the process does adds to it. */
const TRIES = 3;

/** What grows too much does so each time; what others do to the caches, and the collector to this process, not each time. */
const ROUNDS = 4;

/** The CPU time that this process takes for something, in milliseconds: other processes add nothing to it. */
function costOf(run: () => unknown): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/**
 * How the cost of something grows when there is sixteen times as much of it, where it grows by much more than sixteen times;
 * `undefined` where it does not.
 *
 * @param run is called with how often something is there, and does not throw.
 */
export function growthOf(times: number, run: (times: number) => unknown): string | undefined {
  const least = (much: number) => Math.min(...Array.from({ length: TRIES }, () => costOf(() => run(much))));
  if (costOf(() => run(16 * times)) < HARMLESS_MS) return undefined;
  let words: string | undefined;
  for (let round = 0; round < ROUNDS; round++) {
    const [little, much] = [least(times), least(16 * times)];
    if (much < Math.max(HARMLESS_MS, MOST_TIMES * little)) return undefined;
    words = `${little.toFixed(1)} ms for ${times}, ${much.toFixed(1)} ms for ${16 * times}`;
  }
  return words;
}
