import { unwatched } from '../../../servers/watch.js';
import { randomUUID } from 'node:crypto';
import { StoreError } from '../../../lib/errors.js';
import { DEFAULT_MAILBOX_LIMITS } from '../../../servers/mailbox/limits.js';
import { SharedBoxes } from '../../../servers/mailbox/shared/boxes.js';
import { SharedVisits } from '../../../servers/mailbox/shared/visits.js';
import {
  hasRedis,
  needsRedis,
  REDIS_LIMIT_MS,
  redisServers,
  redisStores,
  type RedisServer,
} from '../../support/redis.js';
import { specifyBoxes } from './boxes-contract.js';

for (const kind of ['a Redis', 'a cluster']) {
  describe(`The boxes of mailbox servers that share ${kind}`, () => {
    const { start, startCluster } = redisServers();
    const openStore = redisStores();
    let nodes: readonly RedisServer[] = [];

    beforeAll(async () => {
      if (hasRedis()) nodes = kind === 'a Redis' ? [await start()] : await startCluster();
    }, REDIS_LIMIT_MS);

    beforeEach(needsRedis);

    const open = async (prefix = `${randomUUID()}:`) => {
      const { connection } = await openStore(`redis://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`, {
        prefix,
      });
      return connection;
    };

    specifyBoxes(async ({ limits, clock }) => {
      const connection = await open();
      return new SharedBoxes({
        connection,
        watch: unwatched,
        limits,
        places: 1,
        now: () => clock.now,
        arrived: () => undefined,
      });
    });

    it('are the same at each of them', async () => {
      const prefix = `${randomUUID()}:`;
      const arrived: string[] = [];
      const limits = { ...DEFAULT_MAILBOX_LIMITS, messagesPerSender: 1 };
      const [one, other] = await Promise.all(
        ['one', 'other'].map(async (name) => {
          const connection = await open(prefix);
          return new SharedBoxes({
            connection,
            watch: unwatched,
            limits,
            places: 4,
            now: () => 0,
            arrived: (to) => arrived.push(`${name} ${to}`),
          });
        }),
      );
      if (one === undefined || other === undefined) throw new Error('there are two');
      await other.listen('a');
      const message = {
        to: 'a',
        from: 'b',
        id: '1',
        message: 'x',
        seenAt: '192.0.2.1',
        receipt: 'r',
        arrived: 0,
        expires: 9,
      };
      expect(await one.put(message)).toBeUndefined();
      const most = { messages: 9, bytes: 999 };
      expect(await other.list('a', new Set(), most)).toEqual([message]);
      expect(await other.put({ ...message, id: '2', receipt: 's' })).toBe('sender-full');
      while (arrived.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(arrived).toEqual(['other a']);
      await other.acknowledge('a', ['r']);
      expect(await one.list('a', new Set(), most)).toEqual([]);
    });

    it('remember the visits of receivers at each of them: a take that one has had, the others refuse', async () => {
      const prefix = `${randomUUID()}:`;
      const clock = { now: 1_000_000 };
      const visitsBy = async () =>
        new SharedVisits({ connection: await open(prefix), most: 2, places: 1, now: () => clock.now });
      const [one, other] = [await visitsBy(), await visitsBy()];
      expect(await one.visit('a', 's', clock.now - 1)).toEqual({ refused: 'untimely' });
      expect(await one.visit('a', 's', clock.now)).toBeUndefined();
      expect(await other.visit('a', 's', clock.now)).toEqual({ refused: 'replayed', now: clock.now + 1 });
      expect(await other.visit('a', 's', clock.now - 1)).toEqual({ refused: 'replayed', now: clock.now + 1 });
      expect(await other.visit('a', 's', clock.now + 1_000)).toEqual({ refused: 'untimely' });
      expect(await other.visit('a', 's', clock.now + 1)).toBeUndefined();
      expect([await one.isLatest('a', clock.now), await one.isLatest('a', clock.now + 1)]).toEqual([false, true]);
      expect([await one.isPresent('a'), await one.isPresent('b')]).toEqual([true, false]);
      expect(await one.visit('b', 's', clock.now)).toBeUndefined();
      expect(await one.visit('c', 's', clock.now)).toEqual({ refused: 'host-full' });
      expect(await one.visit('c', 'another', clock.now)).toBeUndefined();
      clock.now += 1_999;
      other.stay('a');
      clock.now += 2;
      while (!(await one.isPresent('a'))) other.stay('a');
      expect(await one.isPresent('c')).toBeFalse();
      other.left('a');
      while (await one.isPresent('a'));
      clock.now += 200_000;
      expect(await one.visit('a', 's', clock.now)).toBeUndefined();
    });
  });
}

describe('The boxes of mailbox servers whose Redis goes away', () => {
  const { start } = redisServers();
  const openStore = redisStores();

  it(
    'have what it has kept on its disk, and wake those that waited meanwhile',
    async () => {
      needsRedis();
      const redis = await start('--appendonly', 'yes', '--appendfsync', 'always');
      const { connection } = await openStore(`redis://127.0.0.1:${redis.port}`, { prefix: 'p:' });
      const arrived: string[] = [];
      const limits = DEFAULT_MAILBOX_LIMITS;
      const boxes = new SharedBoxes({
        connection,
        watch: unwatched,
        limits,
        places: 1,
        now: () => 0,
        arrived: (to) => arrived.push(to),
      });
      const common = { from: 'b', id: '1', message: 'x', seenAt: '192.0.2.1', receipt: 'r', arrived: 0, expires: 9 };
      // The disk of a busy machine may take longer than a store waits.
      const isPut = () =>
        boxes.put({ ...common, to: 'a' }).then(
          () => true,
          () => false,
        );
      while (!(await isPut()));
      await redis.kill();
      await Promise.all(['a', 'nobody'].map((owner) => boxes.listen(owner)));
      await redis.restart();
      while (arrived.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      // Once when Redis can be asked, and once more when channels are heard again, if that is later.
      expect(new Set(arrived)).toEqual(new Set(['a']));
      boxes.close();
    },
    REDIS_LIMIT_MS,
  );
});

describe('The boxes of mailbox servers that share a Redis with another program', () => {
  const { start } = redisServers();
  const openStore = redisStores();

  it(
    'bring nothing that is none of their messages',
    async () => {
      needsRedis();
      const redis = await start();
      const { connection } = await openStore(`redis://127.0.0.1:${redis.port}`, { prefix: 'p:' });
      const limits = DEFAULT_MAILBOX_LIMITS;
      const boxes = new SharedBoxes({ connection, watch: unwatched, limits, places: 1, now: () => 0, arrived: fail });
      const message = {
        to: 'a',
        from: 'b',
        id: '1',
        message: 'x',
        seenAt: '192.0.2.1',
        receipt: 'r',
        arrived: 0,
        expires: 9,
      };
      const list = () => boxes.list('a', new Set(), { messages: 1, bytes: 999 });
      const packed = "return redis.call('hset', KEYS[1], 'r', cmsgpack.pack({1, 'a', 'b', 's', 1, '1', ARGV[1]}))";
      const keys = 'p:{mailbox:0}:kept';
      for (const text of [
        '',
        '{}',
        JSON.stringify({ ...message, to: 'somebody else' }),
        JSON.stringify({ ...message, seenAt: 'x' }),
      ]) {
        await boxes.put(message);
        await redis.ask('eval', packed, '1', keys, text);
        expect(await list()).toEqual([]);
        // Nor does it keep back what is behind it.
        await boxes.put(message);
        await boxes.put({ ...message, id: '2', receipt: 'behind' });
        await redis.ask('eval', packed, '1', keys, text);
        expect((await list()).map(({ receipt }) => receipt)).toEqual(['behind']);
        await boxes.acknowledge('a', ['behind']);
      }
      await boxes.put(message);
      await redis.ask('hset', keys, 'r', 'no message');
      await expectAsync(list()).toBeRejectedWithError(StoreError);
      await redis.kill();
      await expectAsync(boxes.put({ ...message, id: '2' })).toBeRejectedWithError(StoreError);
    },
    REDIS_LIMIT_MS,
  );
});
