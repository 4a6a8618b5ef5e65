import { defer, finalize, from, map, NEVER, startWith, switchMap, type Observable } from 'rxjs';
import { InvalidOptionError } from '../../lib/errors.js';
import { systemRuntime, type Runtime } from '../../lib/runtime.js';
import { expectInteger } from '../../lib/validate.js';
import { unwatched, type Watch } from '../watch.js';
import { RedisChannels } from './redis/channels.js';
import { dialler } from './redis/clients.js';
import { RedisConnection } from './redis/connection.js';
import { probe } from './redis/probe.js';
import { RedisTables } from './redis/tables.js';
import { parseRedisUrl } from './redis/url.js';
import type { StorageState } from './state.js';
import type { Store } from './store.js';

/** How a store in Redis is used. */
export interface RedisStoreConfig {
  /**
   * What all its keys and channels begin with: letters, digits and `_.:-`. Servers with the same one share what they keep. Default:
   * `rxp2p:`.
   */
  readonly prefix?: string | undefined;
  /** Entries in each table at most. Default: 100,000. */
  readonly maxEntries?: number | undefined;
  /**
   * In how many places each table is, 1 to 1024: each is in one hash slot of a cluster, and has its share of the entries. All servers must be
   * told the same. Default: 1, of a cluster 16.
   */
  readonly places?: number | undefined;
  /**
   * How long Redis may take to answer, in milliseconds. Then it counts as gone until it does. On the connection by which messages come it
   * may take five times that. Default: 1000.
   */
  readonly answerMs?: number | undefined;
  /** Told of messages in Redis that no server has sent. Default: nobody is. */
  readonly watch?: Watch | undefined;
  /** The time in milliseconds, where it is not to be Redis's own: for specs. */
  readonly now?: (() => number) | undefined;
}

/** A store that several processes share. */
export interface RedisStore extends Store {
  /** Whether all of it can be used: at once, and whenever that changes. */
  readonly state$: Observable<StorageState>;
  /** What other stores are made by. @internal */
  readonly connection: RedisConnection;
  /** In how many places each table is. @internal */
  readonly places: number;
}

const PLACES_OF_CLUSTER = 16;

/**
 * A store in Redis or Valkey, or in a cluster of them, which any number of servers share: each node reaches every other, whichever server
 * has its session. Emits once it can be used. Unsubscribing closes it. It needs the package ioredis.
 *
 * While Redis is gone, what needs it fails with a StoreError; messages between sessions of one process go on. Once it is there again, what
 * this process had put is written again, and all channels are subscribed to.
 *
 * `publish` counts listeners that have confirmed. It does not wait for those of other processes when there is one in this process, or when
 * one has confirmed. What is not confirmed within 300 ms counts as not delivered.
 *
 * @param url `redis://host:port`, `rediss://user:password@host:port/database` for TLS, or some nodes of a cluster with commas between them.
 * @param config how it is used. Default: all defaults.
 * @param runtime time, chance and ids; specs give their own. Default: the real ones.
 * @throws InvalidOptionError (`INVALID_OPTION`) when an option is wrong; StoreError (`STORE`) when Redis cannot be used; UnavailableError
 * (`UNAVAILABLE`) when ioredis is not installed.
 *
 * @example
 * redisStore$('redis://127.0.0.1:6379')
 *   .pipe(switchMap((store) => rendezvousServer$({ store })))
 *   .subscribe(({ local }) => console.log(local.port));
 */
export function redisStore$(
  url: string,
  { prefix = 'rxp2p:', maxEntries = 100_000, places, answerMs = 1_000, watch = unwatched, now }: RedisStoreConfig = {},
  runtime: Runtime = systemRuntime,
): Observable<RedisStore> {
  return defer(() => {
    const address = parseRedisUrl(url);
    if (!/^[\w.:-]{1,64}$/.test(prefix)) {
      throw new InvalidOptionError('Expected `prefix` to be 1 to 64 letters, digits and `_.:-`');
    }
    expectInteger('maxEntries', maxEntries, 1, 1_000_000_000);
    expectInteger('answerMs', answerMs, 10, 60_000);
    if (places !== undefined) expectInteger('places', places, 1, 1024);
    const { scheduler, random } = runtime;
    const found$ = from(dialler({ address, answerMs, random })).pipe(
      switchMap((dial) => from(probe(address, dial)).pipe(map((found) => ({ dial, found })))),
    );
    return found$.pipe(
      switchMap(({ dial, found }) => {
        const connection = new RedisConnection({ dial, found, prefix, scheduler, random });
        const ownId = runtime.newId();
        const channels = new RedisChannels(connection, ownId, watch);
        const inPlaces = places ?? (connection.isCluster ? PLACES_OF_CLUSTER : 1);
        const tables = new RedisTables({
          connection,
          ownId,
          maxEntries,
          places: inPlaces,
          now,
          random,
        });
        const opened$ = defer(async () => {
          await connection.open();
          await channels.open();
        });
        return opened$.pipe(
          switchMap(() => NEVER.pipe(startWith(storeOf(tables, channels, connection, inPlaces)))),
          finalize(() => {
            tables.close();
            channels.close();
            connection.close();
          }),
        );
      }),
    );
  });
}

function storeOf(
  tables: RedisTables,
  channels: RedisChannels,
  connection: RedisConnection,
  places: number,
): RedisStore {
  return {
    put: (...args) => tables.put(...args),
    get: (...args) => tables.get(...args),
    delete: (...args) => tables.delete(...args),
    sample: (...args) => tables.sample(...args),
    list: (...args) => tables.list(...args),
    publish: (channel, message) => channels.publish(channel, message),
    listen: (channel, listener) => channels.listen(channel, listener),
    leave: (channel, listener) => {
      channels.leave(channel, listener);
    },
    state$: connection.state$,
    connection,
    places,
  };
}
