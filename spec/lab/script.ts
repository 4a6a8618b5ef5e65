/**
 * Many small programs in one shell. A process that is as large as one that runs specs takes longer to start another than most of those
 * take: a topology has some fifty of them.
 */
import { command } from './command.js';

/** A line of a script: a command, and what it reads. */
export const step = (argv: readonly string[], input?: string): string =>
  argv.map(quoted).join(' ') + (input === undefined ? '' : ` <<'${END}'\n${input.replace(/\n?$/, '\n')}${END}`);

/** Runs them one after the other, to the first that fails, and gives what they printed. */
export const script = (steps: readonly string[]): Promise<string> =>
  command('sh', ['-e', '-s'], `${steps.join('\n')}\n`);

const END = 'END-OF-INPUT';

const quoted = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`;
