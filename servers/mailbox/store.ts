import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { defer, Observable, of, retry, timer, type SchedulerLike } from 'rxjs';
import { reasonOf, StoreError } from '../../lib/errors.js';
import { within } from '../../lib/operators/within.js';
import { loadClassicLevel } from '../../lib/packages.js';

/** Where a mailbox server keeps what has to outlive it: text under keys, in the order of the keys. */
export interface MessageStore {
  /** All that is kept, in the order of the keys. */
  entries(): AsyncIterable<readonly [key: string, value: string]>;
  /** Keeps a value. Resolves when it is where no crash can take it away. */
  put(key: string, value: string): Promise<void>;
  /** Deletes. Resolves when only a crash of the whole machine can bring it back; what cannot be deleted now stays. */
  delete(keys: readonly string[]): Promise<void>;
  /** Gives the room of what was deleted back. */
  compact(): Promise<void>;
}

/** Keeps nothing: what such a server knows is gone when it is. */
export const forgetfulStore: MessageStore = {
  entries: async function* () {
    // There is nothing.
  },
  put: () => Promise.resolve(),
  delete: () => Promise.resolve(),
  compact: () => Promise.resolve(),
};

/** What is used of LevelDB. */
interface Level {
  iterator(): AsyncIterable<[key: string, value: string]>;
  batch(changes: Change[], options: { readonly sync: boolean }): Promise<void>;
  compactRange(start: string, end: string): Promise<void>;
  close(): Promise<void>;
}

type Change =
  | { readonly type: 'put'; readonly key: string; readonly value: string }
  | { readonly type: 'del'; readonly key: string };

/** A server that was ended a moment ago may still be closing. */
const LOCKED = { tries: 50, pauseMs: 100 };

/** A folder that cannot be opened within this time is none that can be worked with. */
export const OPEN_MS = 20_000;

/**
 * Opens a LevelDB in a folder, which is made if need be, in one that is there. Emits it once it is open; unsubscribing closes it, after what it is
 * writing.
 *
 * @throws StoreError when it cannot be opened: another process has it, for one, or the folder that it is to be in is not there.
 *
 * @example
 * levelStore$('/var/lib/rxp2p', asyncScheduler).subscribe((store) => void store.put('key', 'value'));
 */
export function levelStore$(folder: string, scheduler: SchedulerLike): Observable<MessageStore> {
  return defer(() => {
    const opened = openLevel(folder);
    return new Observable<MessageStore>((subscriber) => {
      opened.then(
        (level) => {
          subscriber.next(new LevelStore(level));
        },
        (error: unknown) => {
          subscriber.error(error);
        },
      );
      return () => {
        opened.then((level) => level.close()).catch(() => undefined);
      };
    }).pipe(within(OPEN_MS, () => unusable(folder, `it could not be opened within ${OPEN_MS} ms`), scheduler));
  }).pipe(
    retry({
      count: LOCKED.tries,
      delay: (error: unknown) => {
        if (!isLocked(error)) throw error;
        return timer(LOCKED.pauseMs, scheduler);
      },
    }),
  );
}

async function openLevel(folder: string): Promise<Level> {
  await makeFolder(folder);
  try {
    const ClassicLevel = await loadClassicLevel();
    const level = new ClassicLevel<string, string>(folder);
    await level.open();
    return level;
  } catch (cause) {
    const { cause: reason } = cause instanceof Error ? cause : {};
    throw unusable(folder, reasonOf(reason ?? cause), { cause });
  }
}

/** Makes a folder where there is none, but not those that it is in: in /proc, that would never end (libuv's recursive mkdir). */
async function makeFolder(folder: string): Promise<void> {
  const parent = dirname(resolve(folder));
  try {
    if (!(await stat(parent)).isDirectory()) throw new Error(`${parent} is no folder`);
    // Whether it can be used is seen when it is opened.
    await mkdir(folder).catch(async (error: unknown) => {
      if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw error;
    });
  } catch (cause) {
    throw unusable(folder, reasonOf(cause), { cause }, `Make the folder ${parent} first, or choose another. `);
  }
}

function unusable(folder: string, reason: string, options?: ErrorOptions, advice = ''): StoreError {
  return new StoreError(
    `The folder ${folder} cannot be used to keep messages in: ${reason}. ` +
      `${advice}It must be writable, and no other server may use it.`,
    options,
  );
}

function isLocked(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && cause.code === 'LEVEL_LOCKED') return true;
  }
  return false;
}

/**
 * Changes that come while others are being written are written together, with one `fsync` for all of them: that is what takes
 * the time.
 */
class LevelStore implements MessageStore {
  #changes: Change[] = [];
  /** Ends when what waits now has been written. */
  #next: Promise<void> | undefined;
  #current: Promise<unknown> = Promise.resolve();

  constructor(readonly level: Level) {}

  entries(): AsyncIterable<readonly [key: string, value: string]> {
    return this.level.iterator();
  }

  put(key: string, value: string): Promise<void> {
    this.#changes.push({ type: 'put', key, value });
    return this.#write();
  }

  async delete(keys: readonly string[]): Promise<void> {
    this.#changes.push(...keys.map((key) => ({ type: 'del', key }) as const));
    // What stays is deleted when it has expired, at the next start.
    await this.#write().catch(() => undefined);
  }

  async compact(): Promise<void> {
    await this.#write();
    await this.level.compactRange('', '\uffff');
  }

  #write(): Promise<void> {
    this.#next ??= this.#current.then(() => {
      const changes = this.#changes;
      this.#changes = [];
      this.#next = undefined;
      const written = this.level.batch(changes, { sync: changes.some(({ type }) => type === 'put') });
      this.#current = written.catch(() => undefined);
      return written;
    });
    return this.#next;
  }
}

/** The store of a server: in a folder, or in no place at all. */
export function messageStore$(folder: string | undefined, scheduler: SchedulerLike): Observable<MessageStore> {
  return folder === undefined ? of(forgetfulStore) : levelStore$(folder, scheduler);
}
