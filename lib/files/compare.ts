import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { digestOfSmall, digestsOf, type PieceDigests } from './digests.js';

/** What is opened is no symbolic link, and nobody is waited for where it is a pipe. */
export const OPEN_TO_READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Files of so many bytes at most are read and written without another thread: that is several times faster, and takes no longer than a
 * piece of a larger one.
 */
export const SMALL_BYTES = 65_536;

/** What has been hashed of a file: its digest, and what is needed to go on. */
export interface Hashed {
  readonly digest: string;
  readonly pieces: PieceDigests | undefined;
}

/**
 * Hashes the beginning of a file.
 *
 * @param length how much of it.
 * @param isRight whether it is the file that is meant.
 * @returns `undefined` where it cannot be read, or is another.
 */
export async function hashed(
  path: string,
  length: number,
  isRight: (stats: Stats) => boolean,
  signal: AbortSignal,
): Promise<Hashed | undefined> {
  try {
    return length <= SMALL_BYTES
      ? hashedSmall(path, length, isRight)
      : await hashedLarge(path, length, isRight, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    return undefined;
  }
}

function hashedSmall(path: string, length: number, isRight: (stats: Stats) => boolean): Hashed | undefined {
  const file = openSync(path, OPEN_TO_READ);
  try {
    if (!isRight(fstatSync(file))) return undefined;
    const content = Buffer.allocUnsafe(length);
    if (readSync(file, content, 0, length, 0) < length) return undefined;
    return { digest: digestOfSmall(content).toString('hex'), pieces: undefined };
  } finally {
    closeSync(file);
  }
}

async function hashedLarge(
  path: string,
  length: number,
  isRight: (stats: Stats) => boolean,
  signal: AbortSignal,
): Promise<Hashed | undefined> {
  const file = await open(path, OPEN_TO_READ);
  try {
    if (!isRight(await file.stat())) return undefined;
    const pieces = await digestsOf(file, length, signal);
    return pieces && { digest: pieces.whole.toString('hex'), pieces };
  } finally {
    await file.close();
  }
}
