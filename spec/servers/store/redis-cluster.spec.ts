import { randomUUID } from 'node:crypto';
import { slotOf } from '../../../servers/store/redis/slots.js';
import type { RedisStoreConfig } from '../../../servers/store/redis-store.js';
import {
  hasRedis,
  needsRedis,
  REDIS_LIMIT_MS,
  redisServers,
  redisStores,
  type RedisServer,
} from '../../support/redis.js';
import { listener } from './listener.js';
import { specifyStore } from './store-contract.js';
import { becomes } from './becomes.js';
import { until } from '../../support/until.js';

describe('the store in a cluster of Redis', () => {
  const { startCluster, startReplica } = redisServers();
  const openStore = redisStores();
  let nodes: readonly RedisServer[];
  let prefix: string;

  beforeAll(async () => {
    if (hasRedis()) nodes = await startCluster();
  }, REDIS_LIMIT_MS);

  beforeEach(() => {
    needsRedis();
    prefix = `${randomUUID()}:`;
  });

  const open = (config: RedisStoreConfig = {}) =>
    openStore(`redis://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`, { prefix, ...config });

  specifyStore(async (options) => {
    const clock = { now: 0 };
    return { clock, store: await open({ ...options, places: 1, prefix: `${randomUUID()}:`, now: () => clock.now }) };
  }, 20);

  it('knows the slot of a tag as Redis does', async () => {
    for (const tag of ['', 'a', '123456789', 'unls:0', 'c255', 'ä€']) {
      const slot = tag === '' ? 0 : await nodes[0]?.ask('cluster', 'keyslot', `x{${tag}}y`);
      expect(slotOf(tag)).toBe(Number(slot));
    }
  });

  it('spreads a table over its places, and samples and lists it as one', async () => {
    const store = await open();
    const keys = Array.from({ length: 200 }, (_, index) => `10.0.0.${index} x`);
    await Promise.all(keys.map(async (key) => store.put('passive', key, `of ${key}`, 60_000)));
    const all = await store.sample('passive', 1_000);
    expect(all.map(([key]) => key).toSorted()).toEqual(keys.toSorted());
    expect((await store.sample('passive', 50)).length).toBe(50);
    expect(await store.list('passive', '10.0.0.7')).toEqual([['10.0.0.7 x', 'of 10.0.0.7 x']]);
    const held = await Promise.all(nodes.map((node) => node.ask('keys', `${prefix}*`)));
    for (const there of held) expect(there).not.toEqual([]);
  });

  it('passes messages by whichever node has the slot of their channel', async () => {
    const [one, other] = [await open(), await open()];
    const channels = Array.from({ length: 50 }, (_, index) => `peer:${index}`);
    const there = listener();
    await Promise.all(channels.map(async (channel) => other.listen(channel, there)));
    expect(await Promise.all(channels.map(async (channel) => one.publish(channel, 'x')))).toEqual(
      channels.map(() => 1),
    );
    expect(there.messages.toSorted()).toEqual(channels.map((channel) => `${channel} x`).toSorted());
  });

  it(
    'goes on without a node that was killed for what the others have, and is whole when that is back',
    async () => {
      const [one, other] = [await open(), await open()];
      const keys = Array.from({ length: 60 }, (_, index) => `key${index}`);
      const there = listener();
      await Promise.all(keys.map(async (key) => other.listen(key, there)));
      await Promise.all(keys.map(async (key) => one.put('unls', key, 'x', 60_000)));
      const [killed] = nodes;
      await killed?.kill();
      await Promise.all([becomes(one, false), becomes(other, false)]);
      const put = async (key: string) => one.put('unls', key, 'x', 60_000);
      const publish = async (key: string) => one.publish(key, 'x');
      const work = () => Promise.allSettled(keys.flatMap((key) => [put(key), publish(key)]));
      const outcomes = (await work()).map(({ status }) => status);
      expect(new Set(outcomes)).toEqual(new Set(['fulfilled', 'rejected']));
      await killed?.restart();
      await Promise.all([becomes(one, true), becomes(other, true)]);
      // The cluster takes a moment to trust it again.
      await until(async () => (await work()).every(({ status }) => status === 'fulfilled'));
      expect((await one.sample('unls', 99)).length).toBe(keys.length);
      expect(await Promise.all(keys.map(publish))).toEqual(keys.map(() => 1));
    },
    REDIS_LIMIT_MS,
  );

  it(
    'writes again what a node has lost that was killed',
    async () => {
      const [one, other] = [await open(), await open()];
      const keys = Array.from({ length: 60 }, (_, index) => `key${index}`);
      await Promise.all(keys.map(async (key) => one.put('unls', key, 'x', 60_000)));
      const [killed] = nodes;
      await killed?.kill();
      await becomes(one, false);
      await killed?.restart();
      await until(async () => {
        const sample = await (async () => other.sample('unls', 99))().catch(() => []);
        return sample.length === keys.length;
      });
    },
    REDIS_LIMIT_MS,
  );

  it(
    'goes on with a replica that has taken the place of a node that was killed',
    async () => {
      const own = await startCluster();
      const replica = await startReplica(own);
      const url = `redis://${own.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
      const [one, other] = await Promise.all([openStore(url, { prefix }), openStore(url, { prefix })]);
      const keys = Array.from({ length: 60 }, (_, index) => `key${index}`);
      const there = listener();
      await Promise.all(keys.map(async (key) => other.listen(key, there)));
      await Promise.all(keys.map(async (key) => one.put('unls', key, 'x', 60_000)));
      await own[0]?.kill();
      await Promise.all([becomes(one, false), becomes(other, false)]);
      await replica.ask('cluster', 'failover', 'takeover');
      await Promise.all([becomes(one, true), becomes(other, true)]);
      // Until every node has heard of it, one or the other refuses to do anything.
      for (const node of [own[1], own[2], replica]) {
        await until(async () => String(await node?.ask('cluster', 'info')).includes('cluster_state:ok'));
      }
      const publish = async (key: string) => one.publish(key, 'x');
      expect(await Promise.all(keys.map(publish))).toEqual(keys.map(() => 1));
      // What the replica had not heard of yet is written again.
      await until(async () => (await one.sample('unls', 99)).length === keys.length);
    },
    REDIS_LIMIT_MS,
  );
});
