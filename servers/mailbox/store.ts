import { NEVER, startWith, type Observable } from 'rxjs';
import type { StorageState } from '../store/state.js';

export type { StorageState };

/** One user of a shared store. */
export interface Holding {
  /** All its keys begin with it. */
  readonly prefix: string;
  /** The entries that the store has confirmed and that have not been deleted. */
  readonly entries: () => Iterable<readonly [key: string, value: string]>;
}

/** A mailbox server's persistent storage: text values in the order of their keys. */
export interface MessageStore {
  /** All that is kept, in the order of the keys. */
  entries(): AsyncIterable<readonly [key: string, value: string]>;
  /**
   * Keeps a value and deletes others in one transaction. Resolves when the value survives a crash. While the store cannot write,
   * it resolves or rejects after the next try.
   */
  put(key: string, value: string, inFavourOf?: readonly string[]): Promise<void>;
  /** Deletes values. Resolves when only a crash of the whole machine can bring them back. What cannot be deleted now is deleted later. */
  delete(keys: readonly string[]): Promise<void>;
  /** Compacts: gives the space of deleted values back. */
  compact(): Promise<void>;
  /**
   * Registers a user of the store. After a failure the store is repaired: lost values are written again, and values that no user
   * holds are deleted.
   */
  holds(holding: Holding): void;
  /** Whether it can write: at once, and whenever that changes. */
  readonly state$: Observable<StorageState>;
}

/** A store that keeps nothing: such a server loses its messages when it ends. */
export const forgetfulStore: MessageStore = {
  entries: async function* () {
    // There is nothing.
  },
  put: () => Promise.resolve(),
  delete: () => Promise.resolve(),
  compact: () => Promise.resolve(),
  holds: () => undefined,
  state$: NEVER.pipe(startWith({ isWritable: true } as const)),
};
