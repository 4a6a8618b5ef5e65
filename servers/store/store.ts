import type { Observable } from 'rxjs';

/** What a server wants to keep: text under a key, in a named table. */
export type Table = 'passive' | 'simultaneous' | 'candidates' | 'unls';

/**
 * Where a server keeps what more than one of its sockets, or more than one server, needs to know. Asynchronous and small,
 * so that a shared store can take the place of memory: Redis, say, with SET PX, GET and DEL, a sorted set of the keys of each
 * table and of each group (ZADD by expiry, ZRANDMEMBER, ZRANGE), PUBLISH and SUBSCRIBE. What belongs to one socket never goes here.
 */
export interface Store {
  /**
   * Keeps a value for `ttlMs`. A full table is shared by sites: an entry of a smaller site evicts the newest entry of the largest
   * one. Resolves to false when there is no room.
   *
   * @param site whose entry it is: the site of who has sent it. Default: that of all entries for which none is given.
   */
  put(table: Table, key: string, value: string, ttlMs: number, site?: string): Promise<boolean>;
  /** Resolves to the value, or to `undefined` when there is none, or it has expired. */
  get(table: Table, key: string): Promise<string | undefined>;
  /** Forgets a value; resolves also when there is none. */
  delete(table: Table, key: string): Promise<void>;
  /** At most `count` entries, chosen at random. */
  sample(table: Table, count: number): Promise<readonly (readonly [key: string, value: string])[]>;
  /** All entries of a group: a key is the name of its group, or that and a space and the member's name. */
  list(table: Table, group: string): Promise<readonly (readonly [key: string, value: string])[]>;
  /** Hands a message to everyone who listens on a channel; resolves to how many they are. */
  publish(channel: string, message: string): Promise<number>;
  /** Listens on a channel for as long as it is subscribed to. */
  messages$(channel: string): Observable<string>;
}
