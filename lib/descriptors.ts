import { readdirSync, readFileSync } from 'node:fs';

/** Assumed where the system does not tell: the lowest default of any system (macOS: 256). */
const UNKNOWN_LIMIT = 256;

/**
 * How many more sockets and files this process may open. At the limit nothing in the process can open anything, so code that
 * opens many must stay well below it. Windows has no such limit.
 *
 * @example
 * const maxSockets = Math.floor(freeDescriptors() / 2);
 */
export function freeDescriptors(): number {
  return Math.max(0, (descriptorLimit() ?? UNKNOWN_LIMIT) - open());
}

/**
 * How many sockets and files this process may have open; `undefined` where the system does not tell. Node has raised the soft limit to the
 * hard one at its start. Windows has no such limit.
 *
 * @example
 * const mostCallers = Math.floor((descriptorLimit() ?? Infinity) / 2);
 */
export function descriptorLimit(): number | undefined {
  if (process.platform === 'win32') return Number.POSITIVE_INFINITY;
  try {
    return parseOpenFilesLimit(readFileSync('/proc/self/limits', 'utf8'));
  } catch {
    return limitOfReport(); // Not Linux.
  }
}

function open(): number {
  try {
    return readdirSync('/dev/fd').length;
  } catch {
    return 0;
  }
}

/**
 * The soft limit in the text of Linux's `/proc/PID/limits` (proc_pid_limits(5)), or `undefined` where it is not to be
 * found. Pure.
 *
 * @example
 * parseOpenFilesLimit('Max open files            1024                 4096                 files'); // 1024
 */
export function parseOpenFilesLimit(text: string): number | undefined {
  const soft = /^Max open files +(\d+|unlimited) /m.exec(text)?.[1];
  if (soft === undefined) return undefined;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

/** The soft limit in Node's diagnostic report: 20 ms of work, but there is no other way to it from within Node. */
function limitOfReport(): number | undefined {
  const { report } = process;
  const before: unknown = Reflect.get(report, 'excludeNetwork');
  // Otherwise the report would resolve the name of every peer's address, and wait for each.
  Reflect.set(report, 'excludeNetwork', true);
  const soft = ['userLimits', 'open_files', 'soft'].reduce<unknown>(
    (value, name) => (typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined),
    report.getReport(),
  );
  Reflect.set(report, 'excludeNetwork', before);
  if (soft === 'unlimited') return Number.POSITIVE_INFINITY;
  return typeof soft === 'number' ? soft : undefined;
}
