import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { FilesError, InvalidOptionError, reasonOf } from '../errors.js';
import { show } from '../validate.js';
import type { OfferedEntry } from './interface.js';
import { MAX_ENTRIES, MAX_PATHS_BYTES, pathBytesOf } from './messages.js';
import { isPartialFolder, PathCheck } from './paths.js';

/** Something to send, and where it is. */
export interface Source {
  readonly entry: OfferedEntry;
  readonly source: string;
}

/** Asking the system one thing after the other is several times faster than asking by other threads; so often others have their turn. */
const ENTRIES_A_TURN = 256;

const PERMISSIONS = 0o777;

/** Names that differ are different files here; the receiver judges by its own file system. */
const RULES = { windows: false, foldsCase: false, foldsUnicode: false };

/**
 * Finds all that is in paths: a folder comes before what is in it, which comes in the order of the names.
 *
 * @param links whether symbolic links are kept; else the first is an error.
 * @throws FilesError `unreadable` for what is not there, cannot be read, or is neither file nor folder; `unsafe-name` for a name that cannot
 * be sent. InvalidOptionError where there are no paths.
 */
export async function walk(paths: readonly string[], links: 'refuse' | 'keep', signal: AbortSignal): Promise<Source[]> {
  if (paths.length === 0) throw new InvalidOptionError('Expected `paths` to have something to send, got none');
  const found: Source[] = [];
  const check = new PathCheck(RULES);
  let pathBytes = 0;
  for (const top of paths.map((path) => resolve(path))) {
    for (const { entry, source } of allIn(basename(top), top, links)) {
      const problem = check.add(entry);
      if (problem !== undefined) throw new FilesError('unsafe-name', `${show(entry.path)} cannot be sent: ${problem}`);
      pathBytes += pathBytesOf(entry);
      if (found.length >= MAX_ENTRIES || pathBytes > MAX_PATHS_BYTES)
        throw new FilesError('unreadable', `Expected at most ${MAX_ENTRIES} files and folders, got more`);
      found.push({ entry, source });
      if (found.length % ENTRIES_A_TURN > 0) continue;
      await turn();
      signal.throwIfAborted();
    }
  }
  return found;
}

/** What is at a place, and then what is in it: each is looked at only when it is asked for. */
function* allIn(path: string, source: string, links: 'refuse' | 'keep'): Generator<Source> {
  const entry = entryOf(path, source, links);
  // At once: later it could be another folder, or a link to one.
  const names = entry.kind === 'folder' ? read(source, () => readdirSync(source)) : [];
  yield { entry, source };
  for (const name of names.sort()) {
    // What was received into this folder, but not as a whole, is not sent on.
    if (!isPartialFolder(name)) yield* allIn(`${path}/${name}`, join(source, name), links);
  }
}

function entryOf(path: string, source: string, links: 'refuse' | 'keep'): OfferedEntry {
  const stats = read(source, () => lstatSync(source));
  const common = { path, mode: stats.mode & PERMISSIONS, modifiedMs: modifiedMsOf(stats) };
  if (stats.isFile()) return { ...common, kind: 'file', size: stats.size };
  if (stats.isDirectory()) return { ...common, kind: 'folder', size: 0 };
  if (stats.isSymbolicLink() && links === 'keep')
    return { ...common, kind: 'link', size: 0, target: read(source, () => readlinkSync(source)) };
  const what = stats.isSymbolicLink()
    ? 'a symbolic link, and links are sent with `keepLinks` (--keep-links) alone'
    : 'neither a file nor a folder';
  throw new FilesError('unreadable', `${show(source)} cannot be sent: it is ${what}`);
}

/** When a file was changed last, in whole milliseconds. A time before 1970 is none that all systems have. */
export const modifiedMsOf = ({ mtimeMs }: Stats): number => Math.max(0, Math.floor(mtimeMs));

function read<T>(source: string, look: () => T): T {
  try {
    return look();
  } catch (cause) {
    throw new FilesError('unreadable', `${show(source)} cannot be read: ${reasonOf(cause)}`, { cause });
  }
}
