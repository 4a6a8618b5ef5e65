import {
  BehaviorSubject,
  defer,
  distinctUntilChanged,
  firstValueFrom,
  noop,
  Observable,
  ReplaySubject,
  retry,
  takeUntil,
  timer,
  type SchedulerLike,
} from 'rxjs';
import { StoreError } from '../../lib/errors.js';
import { within } from '../../lib/operators/within.js';
import { isLocked, openLevel, storageReasonOf, tryToWrite, unusable, type Change, type Level } from './level.js';
import type { Holding, MessageStore, StorageState } from './store.js';

/** A server that was ended a moment ago may still be closing. */
const LOCKED = { tries: 50, pauseMs: 100 };

/** How long a folder may take to open. */
export const OPEN_MS = 20_000;

/** A store that cannot write tries again after this time, in milliseconds: callers wait that long. */
const MEND_MS = 1_000;

/** Written whenever the store is mended, to see whether it can be. */
const TRIAL_KEY = 'trial';

/** With so many changes, or after so many turns of the event loop, no more are waited for. */
const GATHERED = { changes: 256, turns: 16 };

/** Changes that are written together when the store is mended. */
const MEND_CHANGES = 256;

/**
 * Opens a LevelDB store in a folder. The folder is made if necessary; its parent must exist. Emits the store once it is open.
 * Unsubscribing closes it after pending writes.
 *
 * @throws StoreError when it cannot be opened: another process has it, for one, or the folder that it is to be in is not there.
 *
 * @example
 * levelStore$('/var/lib/rxp2p', asyncScheduler).subscribe((store) => void store.put('key', 'value'));
 */
export function levelStore$(folder: string, scheduler: SchedulerLike): Observable<MessageStore> {
  return defer(() => {
    const opened = openLevel(folder).then((level) => new LevelStore(level, folder, scheduler));
    return new Observable<MessageStore>((subscriber) => {
      opened.then(
        (store) => {
          subscriber.next(store);
        },
        (error: unknown) => {
          subscriber.error(error);
        },
      );
      return () => {
        opened.then((store) => store.close()).catch(noop);
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

/**
 * Changes that come while others are being written are written together, with one `fsync` for all of them: that is what takes
 * the time.
 *
 * When a write has failed, nothing more is written before the database was opened anew. LevelDB itself would go on writing behind
 * a torn record in its log; when it is opened again, it finds nothing behind that record, and does not report the loss. So after
 * a failure the content of the database is compared with the content in memory, the differences are written, and everything is
 * read once more. Only then are writes accepted again.
 */
class LevelStore implements MessageStore {
  readonly #state = new BehaviorSubject<StorageState>({ isWritable: true });
  readonly #closing = new ReplaySubject<undefined>(1);
  readonly #holdings: Holding[] = [];
  #level: Level;
  #changes: Change[] = [];
  /** Ends when what waits now has been written. */
  #next: Promise<void> | undefined;
  #current: Promise<unknown> = Promise.resolve();
  #compacting: Promise<unknown> = Promise.resolve();
  /** After a failure: ends with the next try to mend the store, and rejects when that fails. */
  #mending: Promise<void> | undefined;

  readonly state$ = this.#state.pipe(distinctUntilChanged((one, other) => one.isWritable === other.isWritable));

  constructor(
    level: Level,
    readonly folder: string,
    readonly scheduler: SchedulerLike,
  ) {
    this.#level = level;
  }

  async *entries(): AsyncGenerator<readonly [key: string, value: string]> {
    try {
      yield* this.#level.iterator();
    } catch (cause) {
      throw unusable(this.folder, storageReasonOf(cause), { cause });
    }
  }

  put(key: string, value: string, inFavourOf: readonly string[] = []): Promise<void> {
    for (const other of inFavourOf) this.#changes.push({ type: 'del', key: other });
    this.#changes.push({ type: 'put', key, value });
    return this.#write();
  }

  async delete(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    // What could not be deleted is deleted when the store is repaired, since it is not in memory any more.
    for (const key of keys) this.#changes.push({ type: 'del', key });
    const written = this.#write().catch(noop);
    if (this.#state.value.isWritable) await written;
  }

  async compact(): Promise<void> {
    if (!this.#state.value.isWritable) return;
    await this.#write();
    this.#compacting = this.#level.compactRange('', '\uffff');
    await this.#compacting;
    // LevelDB does not report a failure here; the next write fails instead.
    this.#changes.push({ type: 'del', key: TRIAL_KEY });
    await this.#write();
  }

  holds(holding: Holding): void {
    this.#holdings.push(holding);
  }

  /** Closes it after what it is writing. */
  async close(): Promise<void> {
    this.#closing.next(undefined);
    await this.#current;
    // The database may be opening again. If that fails, it is not repeated.
    await this.#mending?.catch(noop);
    await this.#compacting.catch(noop);
    await this.#level.close();
    this.#state.complete();
  }

  /** Has written what is to be changed, soon. */
  #write(): Promise<void> {
    if (this.#next === undefined) {
      this.#next = this.#current.then(() => this.#gather()).then(() => this.#writeNext());
      this.#current = this.#next.catch(noop);
    }
    return this.#next;
  }

  /** What comes at the same time, by whatever connections, is written together: it waits while each turn of the event loop brings more. */
  async #gather(): Promise<void> {
    let before = 0;
    for (let turn = 0; turn < GATHERED.turns && before < this.#changes.length; turn++) {
      before = this.#changes.length;
      if (before >= GATHERED.changes) return;
      await new Promise(setImmediate);
    }
  }

  async #writeNext(): Promise<void> {
    let changes: readonly Change[];
    try {
      await this.#mending;
    } finally {
      changes = this.#changes;
      this.#changes = [];
      this.#next = undefined;
    }
    try {
      await this.#level.batch(changes, { sync: changes.some(({ type }) => type === 'put') });
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  #fail(error: unknown): void {
    this.#state.next({ isWritable: false, reason: storageReasonOf(error) });
    this.#mending = this.#mendSoon();
    // Handled, since nobody may be waiting for it.
    this.#mending.catch(noop);
  }

  async #mendSoon(): Promise<void> {
    await firstValueFrom(timer(MEND_MS, this.scheduler).pipe(takeUntil(this.#closing)));
    try {
      await this.#mend();
    } catch (error) {
      this.#fail(error);
      throw error;
    }
    this.#mending = undefined;
    this.#state.next({ isWritable: true });
  }

  async #mend(): Promise<void> {
    await tryToWrite(this.folder);
    await this.#compacting.catch(noop);
    await this.#level.close();
    this.#level = await openLevel(this.folder);
    const held = new Map(this.#holdings.flatMap(({ entries }) => [...entries()]));
    const changes = await this.#changesTo(held);
    changes.push({ type: 'put', key: TRIAL_KEY, value: `${this.scheduler.now()}` });
    for (let start = 0; start < changes.length; start += MEND_CHANGES) {
      await this.#level.batch(changes.slice(start, start + MEND_CHANGES), { sync: true });
    }
    if ((await this.#changesTo(held)).length > 0) {
      throw new StoreError('What was written to the database cannot be read there');
    }
  }

  /** The changes that make the database equal to the content in memory, within the prefixes of those who share it. */
  async #changesTo(held: ReadonlyMap<string, string>): Promise<Change[]> {
    const changes: Change[] = [];
    const missing = new Map(held);
    for await (const [key, value] of this.#level.iterator()) {
      if (held.get(key) === value) missing.delete(key);
      else if (!held.has(key) && this.#holdings.some(({ prefix }) => key.startsWith(prefix))) {
        changes.push({ type: 'del', key });
      }
    }
    for (const [key, value] of missing) changes.push({ type: 'put', key, value });
    return changes;
  }
}
