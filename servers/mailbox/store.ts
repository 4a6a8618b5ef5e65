import { NEVER, startWith, type Observable } from 'rxjs';

/** Whether a store takes what is to be kept, and why it does not. */
export type StorageState =
  | {
      /** It takes what is to be kept. */
      readonly isWritable: true;
    }
  | {
      /** It does not, and tries again by itself. */
      readonly isWritable: false;
      /** Why, in words. */
      readonly reason: string;
    };

/** What one of those who share a store has there. */
export interface Holding {
  /** All its keys begin with it. */
  readonly prefix: string;
  /** What the store has told it that it keeps, and has not been told to delete. */
  readonly entries: () => Iterable<readonly [key: string, value: string]>;
}

/** Where a mailbox server keeps what has to outlive it: text under keys, in the order of the keys. */
export interface MessageStore {
  /** All that is kept, in the order of the keys. */
  entries(): AsyncIterable<readonly [key: string, value: string]>;
  /**
   * Keeps a value, and deletes others in its favour: both or neither. Resolves when it is where no crash can take it away. While the
   * store cannot write, it resolves or rejects after the next try.
   */
  put(key: string, value: string, inFavourOf?: readonly string[]): Promise<void>;
  /** Deletes. Resolves when only a crash of the whole machine can bring it back; what cannot be deleted now is deleted later. */
  delete(keys: readonly string[]): Promise<void>;
  /** Gives the room of what was deleted back. */
  compact(): Promise<void>;
  /** After a failure the store is brought to what is held: what it has lost is written again, and what nobody holds is deleted. */
  holds(holding: Holding): void;
  /** Whether it can write: at once, and whenever that changes. */
  readonly state$: Observable<StorageState>;
}

/** Keeps nothing: what such a server knows is gone when it is. */
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
