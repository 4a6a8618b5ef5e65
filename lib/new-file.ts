import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** A file that only its owner can read and write. */
const OWNER_ONLY = 0o600;

/** How a file system, or the sandbox of an Android app (EACCES), says that it has no hard links. */
export const NO_LINKS = ['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/** How a system says that folders cannot be flushed: Windows, and some network file systems. */
const NO_FLUSH = ['EPERM', 'EACCES', 'EISDIR', 'EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'EBADF'];

/**
 * Writes a new file that only its owner can read (mode 0600), and never over one that is there. The file appears under its name with
 * all of its content, or not at all: it is written and flushed beside its place, and linked there. So neither a full disk nor a crash
 * leaves half a file, and of several processes that write at the same time exactly one succeeds. A crash may leave a file
 * `PATH.RANDOM.new` behind, which nobody reads.
 *
 * Where the file system has no hard links, the file is written in its place, and taken away again when that fails.
 *
 * @throws the error of the file system: with code `EEXIST` when the file is there already, `ENOSPC` when the disk is full, and so on.
 *
 * @example
 * writeNewFile('node.key', identity.privateKey);
 */
export function writeNewFile(path: string, content: string): void {
  const beside = `${path}.${randomBytes(8).toString('hex')}.new`;
  try {
    writeAndFlush(beside, content);
    try {
      linkSync(beside, path);
    } catch (error) {
      if (!NO_LINKS.includes(codeOf(error))) throw error;
      writeInPlace(path, content);
    }
  } finally {
    rmSync(beside, { force: true });
  }
  flushFolder(dirname(path));
}

function writeInPlace(path: string, content: string): void {
  try {
    writeAndFlush(path, content);
  } catch (error) {
    // The file of another process stays.
    if (codeOf(error) !== 'EEXIST') rmSync(path, { force: true });
    throw error;
  }
}

function writeAndFlush(path: string, content: string): void {
  const file = openSync(path, 'wx', OWNER_ONLY);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The name of a file is on the disk when its folder is. */
function flushFolder(folder: string): void {
  try {
    const directory = openSync(folder, 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  } catch (error) {
    if (!NO_FLUSH.includes(codeOf(error))) throw error;
  }
}

/** The code of an error of the system, such as `ENOSPC`; empty for any other error. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
