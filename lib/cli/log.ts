import { networkOf } from '../../servers/network.js';
import { unwatched, type Watch } from '../../servers/watch.js';
import { tokenBucket } from '../bounds/rate-limit.js';
import { loadPino } from '../packages.js';
import { parseJsonObject } from '../validate.js';
import { cleanLine } from '../words.js';

/** How a log is written. */
interface LogConfig {
  /** One of pino's, or `silent`. */
  readonly level: string;
  /** Whether one JSON object a line, on a terminal, too. */
  readonly json: boolean;
}

/** Levels that are used here. */
type Level = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** Logs an event, with its fields, and what it means in words. */
export type Log = (level: Level, event: string, fields: Readonly<Record<string, unknown>>, words: string) => void;

/** Refusals that are logged a second: more tell nothing more, and whoever is refused chooses how many there are. */
const REFUSALS = { perSecond: 20, burst: 100 };

/**
 * Makes a log on stderr: one JSON object a line, or words for a terminal.
 *
 * @throws UnavailableError when pino is not installed.
 */
export async function createLog({ level, json }: LogConfig): Promise<Log> {
  const pino = await loadPino();
  const { stderr } = process;
  const write = (line: string) => {
    stderr.write(json || !stderr.isTTY ? line : wordsOf(line));
  };
  const logger = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  );
  return (at, event, fields, words) => {
    logger[at]({ event, ...fields }, words);
  };
}

/** A line of the log for a terminal: when, how bad, and what. */
export function wordsOf(line: string): string {
  const { level, time, msg } = parseJsonObject(line) ?? {};
  const clock = String(time).slice(11, 19);
  return `${cleanLine(`${clock} ${String(level).toUpperCase().padEnd(5)} ${String(msg)}`)}\n`;
}

/** Logs whom servers refuse, on the level debug: by network, unless addresses are to be seen. */
export function logRefusals(log: Log, showAddresses: boolean): Watch {
  const mayLog = tokenBucket({ ...REFUSALS, now: Date.now });
  return {
    ...unwatched,
    refused: (server, reason, site) => {
      if (!mayLog()) return;
      const network = networkOf(site, showAddresses);
      log('debug', 'refused', { server, reason, network }, `${server} refused ${network}: ${reason}`);
    },
  };
}
