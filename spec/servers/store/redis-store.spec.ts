import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { InvalidOptionError, StoreError } from '../../../lib/errors.js';
import { LEASE_MS } from '../../../servers/store/redis/leases.js';
import type { RedisStoreConfig } from '../../../servers/store/redis-store.js';
import { unwatched, type Watch } from '../../../servers/watch.js';
import {
  hasRedis,
  needsRedis,
  REDIS_LIMIT_MS,
  redisServers,
  redisStores,
  type RedisServer,
} from '../../support/redis.js';
import { hastyScheduler } from './hasty-scheduler.js';
import { listener } from './listener.js';
import { specifyStore } from './store-contract.js';
import { until } from '../../support/until.js';

describe('the store in Redis', () => {
  const { start } = redisServers();
  const openStore = redisStores();
  let redis: RedisServer;
  let prefix: string;

  beforeAll(async () => {
    if (hasRedis()) redis = await start();
  }, REDIS_LIMIT_MS);

  beforeEach(() => {
    needsRedis();
    prefix = `${randomUUID()}:`;
  });

  const open = (config: RedisStoreConfig = {}) => openStore(`redis://127.0.0.1:${redis.port}`, { prefix, ...config });

  specifyStore(async (options) => {
    const clock = { now: 0 };
    return { clock, store: await open({ ...options, prefix: `${randomUUID()}:`, now: () => clock.now }) };
  }, 20);

  it('goes by the clock of Redis', async () => {
    const store = await open();
    await store.put('unls', 'a', 'long', 60_000);
    await store.put('unls', 'b', 'short', 1);
    await until(async () => (await store.get('unls', 'b')) === undefined);
    expect(await store.get('unls', 'a')).toBe('long');
  });

  it('is shared by processes with the same prefix, and by no others', async () => {
    const [one, other, stranger] = [await open(), await open(), await open({ prefix: `${prefix}x:` })];
    await one.put('unls', 'a', 'one', 60_000);
    expect(await other.get('unls', 'a')).toBe('one');
    expect(await stranger.get('unls', 'a')).toBeUndefined();
    await other.delete('unls', 'a');
    expect(await one.get('unls', 'a')).toBeUndefined();
  });

  it('forgets what a process has put some time after that was killed, and nothing of one that lives', async () => {
    const clock = { now: 0 };
    const scheduler = hastyScheduler(clock);
    const now = () => clock.now;
    const alive = await openStore(`redis://127.0.0.1:${redis.port}`, { prefix, now }, { scheduler });
    const killed = await open({ now });
    await alive.put('unls', 'a', 'lives', 10 * LEASE_MS);
    await killed.put('unls', 'b', 'killed', 10 * LEASE_MS);
    clock.now = LEASE_MS - 1;
    expect(await Promise.all(['a', 'b'].map(async (key) => alive.get('unls', key)))).toEqual(['lives', 'killed']);
    // The first has renewed its own when it can be seen that long after.
    const later = await open({ now: () => LEASE_MS + 1 });
    await until(async () => (await later.get('unls', 'a')) === 'lives');
    clock.now = LEASE_MS + 1;
    expect(await alive.get('unls', 'b')).toBeUndefined();
    await alive.delete('unls', 'a');
    clock.now = 2 * LEASE_MS;
    expect(await alive.sample('unls', 9)).toEqual([]);
  });

  it('does not bring back what another process has deleted, or put anew', async () => {
    const clock = { now: 0 };
    const scheduler = hastyScheduler(clock);
    const now = () => clock.now;
    const one = await openStore(`redis://127.0.0.1:${redis.port}`, { prefix, now }, { scheduler });
    const other = await open({ now });
    for (const key of ['deleted', 'anew', 'own']) await one.put('unls', key, 'old', 10 * LEASE_MS);
    await other.delete('unls', 'deleted');
    await other.put('unls', 'anew', 'new', 10 * LEASE_MS);
    clock.now = LEASE_MS - 1;
    const later = await open({ now: () => LEASE_MS + 1 });
    await until(async () => (await later.get('unls', 'own')) !== undefined);
    expect((await other.list('unls', 'anew')).concat(await other.list('unls', 'deleted'))).toEqual([['anew', 'new']]);
  });

  it('forgets at the end of a session only what its own process has put', async () => {
    const [one, other] = [await open(), await open()];
    await one.put('unls', 'a', 'old', 60_000);
    await other.put('unls', 'a', 'new', 60_000);
    await one.delete('unls', 'a', true);
    expect(await one.get('unls', 'a')).toBe('new');
    await other.delete('unls', 'a', true);
    expect(await one.get('unls', 'a')).toBeUndefined();
    await other.put('unls', 'a', 'new', 60_000);
    await one.delete('unls', 'a');
    expect(await one.get('unls', 'a')).toBeUndefined();
  });

  it('hands a message to listeners of all processes, and tells whether any has it', async () => {
    const [one, other] = [await open(), await open()];
    const [here, there] = [listener(), listener()];
    expect(await one.publish('a', 'nobody')).toBe(0);
    await other.listen('a', there);
    // On a busy machine one may be confirmed too late to count as delivered.
    while ((await one.publish('a', 'there')) !== 1);
    await one.listen('a', here);
    expect(await one.publish('a', 'both')).toBe(1);
    await until(() => there.messages.includes('a both'));
    expect([here.messages, [...new Set(there.messages)]]).toEqual([['a both'], ['a there', 'a both']]);
    other.leave('a', there);
    one.leave('a', here);
    await until(async () => ((await redis.ask('pubsub', 'numsub', `${prefix}{c}:a`)) as readonly unknown[])[1] === 0);
    expect(await one.publish('a', 'nobody again')).toBe(0);
  });

  it('keeps the order of messages from one process at another', async () => {
    const [one, other] = [await open(), await open()];
    const there = listener();
    await other.listen('a', there);
    const texts = Array.from({ length: 500 }, (_, index) => `${index}`);
    // On a busy machine some may be confirmed too late to count as delivered.
    await Promise.all(texts.map(async (text) => one.publish('a', text)));
    await until(() => there.messages.length === texts.length);
    expect(there.messages).toEqual(texts.map((text) => `a ${text}`));
  });

  it('does not take a message for delivered that a process has got and not confirmed', async () => {
    const one = await open();
    // As a process that is killed before it has handed the message on.
    const killed = await redis.subscribe(`${prefix}{c}:a`);
    const message = once(killed, 'message');
    expect(await one.publish('a', 'lost')).toBe(0);
    await message;
  });

  it('takes no message, confirmation or entry from another program for one of its own', async () => {
    let strays = 0;
    const count: Watch['count'] = (name) => {
      if (name === 'storeStrays') strays++;
    };
    const store = await open({ watch: { ...unwatched, count } });
    const here = listener();
    await store.listen('a', here);
    for (const text of [
      '',
      'hello',
      '{"from":1}',
      `${'a'.repeat(22)} - `,
      `${'a'.repeat(22)} ! x`,
      'x'.repeat(100_000),
    ]) {
      await redis.ask('publish', `${prefix}{c}:a`, text);
    }
    await until(async () => {
      await store.publish('a', 'done');
      return here.messages.includes('a done');
    });
    // The fourth is written as ours are, and may be somebody's: what it means, the listener judges.
    expect(here.messages.filter((message) => message !== 'a done')).toEqual(['a ']);
    await until(() => strays === 5);
    await redis.ask('set', `${prefix}{unls:0}:entries`, 'a text');
    await expectAsync(Promise.resolve(store.put('unls', 'a', 'one', 10))).toBeRejectedWithError(
      StoreError,
      /WRONGTYPE/,
    );
    await redis.ask('hset', `${prefix}{passive:0}:entries`, 'a', 'no entry');
    await expectAsync(Promise.resolve(store.get('passive', 'a'))).toBeRejectedWithError(StoreError);
  });

  it('says what is wrong with an address, and never the password in it', async () => {
    for (const url of [
      'http://a',
      'redis://',
      'redis://:secret@a:0',
      'redis://a/x',
      'redis://a,b:x',
      '127.0.0.1:6379',
    ]) {
      const failure: unknown = await openStore(url).catch((error: unknown) => error);
      expect(failure).withContext(url).toBeInstanceOf(InvalidOptionError);
      expect(String(failure)).not.toContain('secret');
    }
    const { port } = redis;
    const locked = await start();
    await locked.ask('config', 'set', 'requirepass', 'secret');
    const wrong = openStore(`redis://:wrong@127.0.0.1:${locked.port}`);
    await expectAsync(wrong).toBeRejectedWithError(StoreError, /WRONGPASS/);
    await expectAsync(openStore(`redis://:secret@127.0.0.1:${locked.port}`)).toBeResolved();
    const several = `redis://127.0.0.1:${port},127.0.0.1:${port}`;
    await expectAsync(openStore(several)).toBeRejectedWithError(StoreError, /no node of a cluster/);
    await expectAsync(openStore('redis://127.0.0.1:1')).toBeRejectedWithError(StoreError, /ECONNREFUSED/);
    await expectAsync(open({ prefix: 'a{b}' })).toBeRejectedWithError(InvalidOptionError);
  });
});
