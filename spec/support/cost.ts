/** What costs less than this is no harm, however it grows, in milliseconds of CPU time. */
const HARMLESS_MS = 25;

/** So many times as much of something costs as much as doing it so often … */
const MUCH = 16;

/**
 * … or a few times that, since it keeps to the caches less: 4.2 times were seen of a table of 65,536 sites beside five other processes. At sixteen
 * times it would be quadratic.
 */
const MOST_TIMES = 6;

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
 * `undefined` where it does not. One piece of sixteen times as much is compared with sixteen pieces, so that the collector has as much to do.
 *
 * @param run is called with how often something is there, and does not throw. What it returns is kept meanwhile.
 */
export function growthOf(times: number, run: (times: number) => unknown): string | undefined {
  const least = (work: () => unknown) => Math.min(...Array.from({ length: TRIES }, () => costOf(work)));
  const one = () => run(MUCH * times);
  const many = () => Array.from({ length: MUCH }, () => run(times));
  if (costOf(one) < HARMLESS_MS) return undefined;
  let words: string | undefined;
  for (let round = 0; round < ROUNDS; round++) {
    const [little, much] = [least(many), least(one)];
    if (much < Math.max(HARMLESS_MS, MOST_TIMES * little)) return undefined;
    words = `${little.toFixed(1)} ms for ${MUCH} times ${times}, ${much.toFixed(1)} ms for ${MUCH * times}`;
  }
  return words;
}
