import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { numberOf, type Values } from './actors.js';

/** What has just arrived is still being worked on, and what has been freed goes back to the system a while later. */
const SETTLE_MS = 1_500;

/** Weak references and finalizers need more than one. */
const COLLECTIONS = 4;

/**
 * The memory of this process once it has settled and all garbage is collected, and the CPU time so far, in milliseconds. What is free has been given
 * back to the system, as V8 does by itself when a process has had nothing to do for half a minute: until then it keeps up to 48 MiB for what is
 * allocated next, however many connections there are.
 */
export async function footprint(): Promise<Values> {
  await pause(SETTLE_MS);
  const session = new Session();
  session.connect();
  for (let left = COLLECTIONS; left > 0; left--) {
    await session.post('HeapProfiler.collectGarbage');
    await pause(50);
  }
  session.disconnect();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external, cpu: cpuTime() };
}

/** The CPU time of this process so far, user and system, in milliseconds. */
export function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** As Linux counts CPU time for processes (`sysconf(_SC_CLK_TCK)`). */
const TICKS_PER_SECOND = 100;

/** The CPU time of another process so far, user and system, in milliseconds. */
export function cpuTimeOf(pid: number): number {
  // The name, in brackets, may hold spaces. User and system time are the 14th and 15th field.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1000;
}

/** What each of so many cost; the CPU time holds a little of the garbage collection, the same for all. */
export function perOne(before: Values, after: Values, count: number): Values {
  const each = (figure: string) => (numberOf(after, figure) - numberOf(before, figure)) / count;
  return { rss: each('rss'), heap: each('heap'), cpu: each('cpu') };
}
