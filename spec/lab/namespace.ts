/**
 * Namespaces and how they go away. Every one is named after the run that made it, `rxl-<pid>-<start time>-…`, and holds
 * all that belongs to it: devices, nft tables, programs. So closing a run and cleaning after a killed one are the same.
 *
 * Runs with another `RXP2P_LAB_NAME` than `rxl` do not clean up after these, nor these after them.
 */
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { command } from './command.js';

const NAMESPACES = '/run/netns';

/** Not `TMPDIR`, which may differ from run to run, so that each finds what others left; nor /run, which may be mounted noexec. */
const TEMPORARY = '/tmp';
const NAME = /^(rx[a-z]-(\d+)-(\d+))(?:-|$)/;
const OWN_NAME = process.env['RXP2P_LAB_NAME'] ?? 'rxl';

/** Killing is quick, but asynchronous: this long between two looks whether a program is gone. */
const GONE_POLL_MS = 5;

/** The name of the run that process `pid` does; the start time tells it from later processes of the same number. */
export const runName = (pid: number, name = OWN_NAME): string => `${name}-${pid}-${startTime(pid) ?? 'gone'}`;

/** The run that a namespace or directory belongs to, or `undefined` when it is none of the lab's. */
export const runOf = (name: string): string | undefined => NAME.exec(name)?.[1];

export const isAlive = (run: string): boolean => {
  const [, , pid, started] = NAME.exec(run) ?? [];
  return pid !== undefined && startTime(Number(pid)) === started;
};

export const namespaces = (prefix: string): string[] => list(NAMESPACES).filter((name) => name.startsWith(prefix));

/** Those that this user made: in a directory for all, a name alone proves nothing. */
export const temporaryDirectories = (): string[] =>
  list(TEMPORARY).filter((name) => runOf(name) !== undefined && isOwnDirectory(temporaryDirectory(name)));

export const temporaryDirectory = (run: string): string => join(TEMPORARY, run);

/** Fails when something of that name is there already: whoever made it, it is not this run's. */
export const makeTemporaryDirectory = (run: string): void => {
  mkdirSync(temporaryDirectory(run), { mode: 0o700 });
};

/** The processes that live in any of these namespaces. */
export const processesIn = (names: readonly string[]): number[] => {
  const inodes = new Set(names.map((name) => inode(join(NAMESPACES, name))));
  inodes.delete(undefined);
  return list('/proc')
    .filter((entry) => /^\d+$/.test(entry) && inodes.has(inode(`/proc/${entry}/ns/net`)))
    .map(Number);
};

/** Ends every program in the namespaces whose names begin so; not those that they start meanwhile. */
export const killPrograms = (prefix: string): number => {
  const programs = processesIn(namespaces(prefix));
  programs.forEach(kill);
  return programs.length;
};

/** Removes the namespaces whose names begin so, and what runs in them. */
export const removeNamespaces = async (prefix: string): Promise<void> => {
  while (killPrograms(prefix) > 0) await delay(GONE_POLL_MS);
  const deletion = namespaces(prefix).map((name) => `netns del ${name}\n`);
  try {
    if (deletion.length > 0) await command('ip', ['-force', '-batch', '-'], deletion.join(''));
  } catch (failure) {
    if (namespaces(prefix).length > 0) throw failure; // Otherwise another run was sweeping too.
  }
};

/** Removes all that a run made. */
export const removeRun = async (run: string): Promise<void> => {
  await removeNamespaces(`${run}-`);
  rmSync(temporaryDirectory(run), { recursive: true, force: true });
};

/** Removes what runs left whose process is dead; gives their names. */
export const sweep = async (): Promise<string[]> => {
  const runs = [...namespaces(`${OWN_NAME}-`), ...temporaryDirectories()].map(runOf).filter((run) => run !== undefined);
  const dead = [...new Set(runs)].filter((run) => run.startsWith(`${OWN_NAME}-`) && !isAlive(run));
  await Promise.all(dead.map(removeRun));
  return dead;
};

const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went by itself in the meantime.
  }
};

/** In clock ticks since boot, the 22nd field; the program's name before it may hold spaces and parentheses. */
const startTime = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
};

const isOwnDirectory = (path: string): boolean => {
  const entry = lstatSync(path, { throwIfNoEntry: false });
  return entry !== undefined && entry.isDirectory() && entry.uid === process.getuid?.();
};

const inode = (path: string): number | undefined => {
  try {
    return statSync(path).ino;
  } catch {
    return undefined; // The process ended while we looked.
  }
};

const list = (directory: string): string[] => {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
};
