import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { UnavailableError, reasonOf, StoreError } from '../../lib/errors.js';
import { loadClassicLevel } from '../../lib/packages.js';

/** What is used of LevelDB. */
export interface Level {
  iterator(): AsyncIterable<[key: string, value: string]>;
  batch(changes: readonly Change[], options: { readonly sync: boolean }): Promise<void>;
  compactRange(start: string, end: string): Promise<void>;
  close(): Promise<void>;
}

/** So much is in memory and in the log before LevelDB sorts it into a file: messages stay for minutes, so few ever get there. */
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;

/**
 * LevelDB writes a file in pieces of this size, each with calls of the system of its own: 4 KiB by default, of use where single values are
 * looked for. Here all are read, once.
 */
const BLOCK_BYTES = 256 * 1024;

/** A change of what is stored. */
export type Change =
  | { readonly type: 'put'; readonly key: string; readonly value: string }
  | { readonly type: 'del'; readonly key: string };

/**
 * Opens a LevelDB in a folder. The folder is made if necessary; its parent must exist. The package is loaded when first needed:
 * only servers that keep something need it.
 *
 * @throws StoreError when it cannot be opened: another process has it, for one, or the folder that it is to be in is not there.
 *
 * @example
 * const level = await openLevel('/var/lib/rxp2p');
 */
export async function openLevel(folder: string): Promise<Level> {
  await makeFolder(folder);
  try {
    const ClassicLevel = await loadClassicLevel();
    const level = new ClassicLevel<string, string>(folder, {
      compression: false,
      writeBufferSize: WRITE_BUFFER_BYTES,
      blockSize: BLOCK_BYTES,
    });
    await level.open();
    return {
      iterator: () => level.iterator(),
      batch: async (changes, options) => {
        const batch = level.batch();
        for (const change of changes) {
          if (change.type === 'put') batch.put(change.key, change.value);
          else batch.del(change.key);
        }
        await batch.write(options);
      },
      compactRange: (start, end) => level.compactRange(start, end),
      close: () => level.close(),
    };
  } catch (cause) {
    if (cause instanceof UnavailableError) throw cause;
    const { cause: reason } = cause instanceof Error ? cause : {};
    throw unusable(folder, reasonOf(reason ?? cause), { cause });
  }
}

/** Makes a folder where there is none, but not those that it is in: in /proc, that would never end (libuv's recursive mkdir). */
async function makeFolder(folder: string): Promise<void> {
  const parent = dirname(resolve(folder));
  try {
    if (!(await stat(parent)).isDirectory()) throw new Error(`${parent} is no folder`);
    // Opening it shows whether it can be used.
    await mkdir(folder).catch(async (error: unknown) => {
      if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw error;
    });
  } catch (cause) {
    throw unusable(folder, reasonOf(cause), { cause }, `Make the folder ${parent} first, or choose another. `);
  }
}

/** The error for a folder that a server cannot keep anything in. */
export function unusable(folder: string, reason: string, options?: ErrorOptions, advice = ''): StoreError {
  return new StoreError(
    `The folder ${folder} cannot be used to keep messages in: ${reason}. ` +
      `${advice}It must be writable, and no other server may use it.`,
    options,
  );
}

/** Whether an error of {@link openLevel} says that the database is open elsewhere. */
export function isLocked(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && cause.code === 'LEVEL_LOCKED') return true;
  }
  return false;
}

/** LevelDB writes some files of its own when it opens, in bytes. */
const SLACK_BYTES = 64 * 1024;

/**
 * Checks that the disk has room for what LevelDB writes when it opens: the content of its logs. On a full disk, opening would
 * fail half way and leave a file behind each time.
 *
 * @throws the error of the file system, such as ENOSPC.
 */
export async function tryToWrite(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log'));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  const trial = Buffer.alloc(
    sizes.reduce((sum, size) => sum + size, SLACK_BYTES),
    'trial',
  );
  const path = join(folder, 'trial');
  try {
    const file = await open(path, 'w+');
    try {
      await file.writeFile(trial);
      await file.sync();
      const { buffer } = await file.read(Buffer.alloc(trial.length), 0, trial.length, 0);
      if (!trial.equals(buffer)) throw new StoreError('What was written on the disk is not what can be read there');
    } finally {
      await file.close();
    }
  } finally {
    await rm(path, { force: true }).catch(() => undefined);
  }
}

/** LevelDB reports the system's text for an error; libuv's text may differ. */
const ALSO: Readonly<Record<string, string>> = { 'input/output error': 'EIO', 'disk quota exceeded': 'EDQUOT' };

/**
 * The reason of an error of LevelDB in words, with the code of the system before it: LevelDB tells the words alone. Pure.
 *
 * @example
 * storageReasonOf(new Error('3.log: No space left on device')); // 'ENOSPC: 3.log: No space left on device'
 */
export function storageReasonOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : {};
  const text = error instanceof StoreError || cause === undefined ? reasonOf(error) : reasonOf(cause);
  if (/^E[A-Z]+:/.test(text)) return text;
  const lower = text.toLowerCase();
  const [, [known] = [undefined]] =
    [...getSystemErrorMap()].find(([, [, message]]) => lower.endsWith(message.toLowerCase())) ?? [];
  const code = known ?? Object.entries(ALSO).find(([words]) => lower.endsWith(words))?.[1];
  return code === undefined ? text : `${code}: ${text}`;
}
