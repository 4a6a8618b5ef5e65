/** What a server wants to keep: text under a key, in a named table. */
export type Table = 'passive' | 'simultaneous' | 'candidates' | 'unls' | 'topics' | 'slots';

/** An answer that memory has at once, and a shared store later. */
export type Soon<T> = T | Promise<T>;

/**
 * Goes on with an answer: now, if it is there.
 *
 * @example
 * const store = memoryStore({ maxEntries: 100, now: Date.now, random: Math.random });
 * onceKnown(store.publish('channel', 'message'), (count) => console.log(count > 0 ? 'SENT' : 'ABSENT'));
 */
export function onceKnown<T, R>(answer: Soon<T>, next: (value: T) => Soon<R>): Soon<R> {
  return answer instanceof Promise ? answer.then(next) : next(answer);
}

/** Takes the messages on a channel. A session is one itself, so that listening makes no object for each. */
export interface ChannelListener {
  /** A message has come. Never throws. */
  heard(message: string, channel: string): void;
  /** The store cannot bring the messages on this channel any more; the listener has left it already. */
  unheard(channel: string): void;
}

/**
 * Where a server keeps what more than one of its sockets, or more than one server, needs to know. It is small, and may answer later, so
 * that a store which servers share (`redisStore$`) can take the place of memory. What belongs to one socket never goes here.
 *
 * A method that answers at once may be called for each line of each client: then no promise is made for it.
 */
export interface Store {
  /**
   * Keeps a value for `ttlMs`. A full table is shared by sites: an entry of a smaller site evicts the newest entry of the largest
   * one. Returns false when there is no room.
   *
   * @param site whose entry it is: the site of who has sent it. Default: that of all entries for which none is given.
   */
  put(table: Table, key: string, value: string, ttlMs: number, site?: string): Soon<boolean>;
  /** Returns the value, or `undefined` when there is none, or it has expired. */
  get(table: Table, key: string): Soon<string | undefined>;
  /**
   * Forgets a value. Does nothing when there is none.
   *
   * @param onlyOwn only if this server has put it: where another has since, it stays. Default: whoever has.
   */
  delete(table: Table, key: string, onlyOwn?: boolean): Soon<void>;
  /**
   * At most `count` entries, chosen at random.
   *
   * @param group only those of this group, in any order. Default: all of the table.
   */
  sample(table: Table, count: number, group?: string): Soon<readonly (readonly [key: string, value: string])[]>;
  /** All entries of a group: a key is the name of its group, or that and a space and the member's name. */
  list(table: Table, group: string): Soon<readonly (readonly [key: string, value: string])[]>;
  /** Hands a message to everyone who listens on a channel; returns how many they are. */
  publish(channel: string, message: string): Soon<number>;
  /**
   * Has a listener take the messages on a channel, until it leaves. One that is there already is not there twice.
   *
   * @returns at once, or a promise that resolves when messages on the channel will reach it. A listener that leaves before is never told
   * any.
   */
  listen(channel: string, listener: ChannelListener): Soon<void>;
  /** A listener leaves a channel. Does nothing where it does not listen. */
  leave(channel: string, listener: ChannelListener): void;
}
