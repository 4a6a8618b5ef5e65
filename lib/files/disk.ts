import { FilesError, reasonOf } from '../errors.js';
import { codeOf } from '../new-file.js';
import { show } from '../validate.js';

/** How a name that is taken is told from other failures. */
export class TakenError extends Error {}

/** A disk that is full, or a quota that is used up. */
const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG'];

/** Fails as the receiver of files does, for what the system says of its folder. @param path what was offered, where that is known. */
export function failureOfDisk(error: unknown, path?: string): FilesError {
  if (error instanceof FilesError) return error;
  const code = codeOf(error);
  if (FULL.includes(code))
    return new FilesError(
      'disk-full',
      'the disk of the receiver is full; what has come is kept, and goes on from there',
      { cause: error },
    );
  if (code === 'ENAMETOOLONG')
    return new FilesError(
      'unsafe-name',
      `${path === undefined ? 'a file' : show(path)} cannot be received: its name, or the path of the folder with it, is too long for the receiver's file system; receive into a folder with a shorter path`,
      { cause: error },
    );
  const what = path === undefined ? 'The folder' : show(path);
  return new FilesError('unreadable', `${what} cannot be written to: ${reasonOf(error)}`, { cause: error });
}

/** Does something with a path that was offered. @throws FilesError where the system fails. */
export function onDisk<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw failureOfDisk(error, path);
  }
}
