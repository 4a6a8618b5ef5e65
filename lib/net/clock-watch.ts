import type { ClockReading } from '../server-clock.js';
import { CLOCK_TOLERANCE_MS } from '../signed-request.js';
import type { TraceStep } from '../trace.js';
import { durationOf } from '../words.js';

/** A server's clock beside this machine's. */
type ClockReport = Omit<Extract<TraceStep, { readonly type: 'clock' }>, 'type'>;

/** That this machine's clock and those of servers are apart. */
export interface ClockStatus {
  /** How far this machine's clock is ahead of theirs, in milliseconds; negative where it is behind. */
  readonly aheadMs: number;
  /** The servers that say so, each on a host of its own. */
  readonly servers: readonly string[];
  /** Whether it is this machine's clock that is wrong: several hosts agree, and fewer have its time. Else it may be the server's. */
  readonly isCertain: boolean;
  /** All of it in words, and what to do. */
  readonly words: string;
}

/** Servers that are remembered, as of those that fail. */
const MAX_HOSTS = 64;

/** A difference that changes by less than this, in milliseconds, is not reported again: clocks drift, and round trips differ. */
const CHANGE_MS = 60_000;

/**
 * Remembers how far this machine's clock is from each server's. Signals are signed with the time, and are dropped where it is
 * more than two minutes off: so a wrong clock is reported early. It never sets a clock.
 */
export class ClockWatch {
  /** By host: two services of one host have one clock. */
  readonly #reports = new Map<string, ClockReport>();

  /** Takes in what a server's answer has shown; returns whether that is news. */
  note({ server, aheadMs, uncertainMs }: ClockReport): boolean {
    const { hostname } = new URL(server);
    const before = this.#reports.get(hostname);
    if (before === undefined && this.#reports.size >= MAX_HOSTS) return false;
    const report = { server, aheadMs, uncertainMs };
    if (before === undefined || !areApart(before)) {
      this.#reports.set(hostname, report);
      return areApart(report);
    }
    const isOver = areClose(report);
    const hasMoved = areApart(report) && Math.abs(before.aheadMs - aheadMs) >= CHANGE_MS + uncertainMs;
    // A reading that is not news does not replace the reported one. So a slow drift is reported in the end, and a slow answer
    // does not end a report.
    if (isOver || hasMoved) this.#reports.set(hostname, report);
    return isOver || hasMoved;
  }

  /** The state of this machine's clock; `undefined` when no server disagrees with it. */
  get status(): ClockStatus | undefined {
    const all = [...this.#reports.values()];
    const groups = all.filter(areApart).map((one) => all.filter((other) => areApart(other) && agree(one, other)));
    const [group] = groups.toSorted((a, b) => b.length - a.length);
    const [first] = group ?? [];
    if (group === undefined || first === undefined) return undefined;
    const isCertain = group.length >= 2 && group.length > all.filter(areClose).length;
    const servers = group.map(({ server }) => server);
    return { aheadMs: Math.round(first.aheadMs), servers, isCertain, words: wordsOf(first, servers, isCertain) };
  }
}

/** Whether two clocks are apart beyond doubt, by more than signals bear. */
function areApart({ aheadMs, uncertainMs }: ClockReading): boolean {
  return Math.abs(aheadMs) - uncertainMs > CLOCK_TOLERANCE_MS;
}

/** Whether two clocks are not apart, beyond doubt. */
function areClose({ aheadMs, uncertainMs }: ClockReading): boolean {
  return Math.abs(aheadMs) + uncertainMs <= CLOCK_TOLERANCE_MS;
}

/** Whether two servers have the same time, as far as is known. */
function agree(one: ClockReport, other: ClockReport): boolean {
  return Math.abs(one.aheadMs - other.aheadMs) <= CHANGE_MS + one.uncertainMs + other.uncertainMs;
}

function wordsOf({ aheadMs }: ClockReport, servers: readonly string[], isCertain: boolean): string {
  const by = durationOf(aheadMs);
  if (isCertain) {
    return `the clock of this machine is ${by} ${aheadMs > 0 ? 'fast' : 'slow'}, as ${servers.join(' and ')} agree: set it`;
  }
  const which = aheadMs > 0 ? 'ahead' : 'behind';
  return `the clock of this machine and that of ${servers.join(' and ')} are ${by} apart (this one is ${which}): set the one that is wrong`;
}
