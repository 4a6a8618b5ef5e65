import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { filter, firstValueFrom } from 'rxjs';
import { StoreError } from '../../../lib/errors.js';
import type { RedisStoreConfig } from '../../../servers/store/redis-store.js';
import { Lab } from '../../support/nodes.js';
import { serveAll } from '../../support/servers.js';
import { needsRedis, REDIS_LIMIT_MS, redisServers, redisStores, type RedisServer } from '../../support/redis.js';
import { listener } from './listener.js';
import { becomes } from './becomes.js';
import { until } from '../../support/until.js';

describe('the store in Redis that goes away', () => {
  const lab = new Lab();
  const { start } = redisServers();
  const openStore = redisStores();
  let redis: RedisServer;
  const prefix = 'p:';

  beforeEach(async () => {
    needsRedis();
    redis = await start();
  }, REDIS_LIMIT_MS);
  afterEach(() => lab.close());

  const open = (config: RedisStoreConfig = {}) => openStore(`redis://127.0.0.1:${redis.port}`, { prefix, ...config });

  it(
    'refuses at once what needs it, goes on within the process, and is whole when it is back without what it had',
    async () => {
      const [one, other] = [await open(), await open()];
      const [here, there] = [listener(), listener()];
      await one.listen('here', here);
      await other.listen('there', there);
      await one.put('unls', 'kept', 'as it was', 60_000);
      await one.put('unls', 'deleted', 'as it was', 60_000);
      await redis.kill();
      await Promise.all([becomes(one, false), becomes(other, false)]);
      for (const request of [
        () => one.put('unls', 'late', 'put meanwhile', 60_000),
        () => one.get('unls', 'kept'),
        () => one.delete('unls', 'deleted'),
        () => one.sample('unls', 1),
        () => one.list('unls', 'kept'),
        () => one.publish('there', 'lost'),
      ]) {
        await expectAsync(Promise.resolve(request())).toBeRejectedWithError(StoreError, /cannot be reached/);
      }
      expect(await one.publish('here', 'goes on')).toBe(1);
      const late = listener();
      await other.listen('late', late);
      await redis.restart();
      await Promise.all([becomes(one, true), becomes(other, true)]);
      expect(await one.publish('there', 'again')).toBe(1);
      expect(await one.publish('late', 'too')).toBe(1);
      await until(async () => (await other.sample('unls', 9)).length === 2);
      expect(await Promise.all(['kept', 'late', 'deleted'].map(async (key) => other.get('unls', key)))).toEqual([
        'as it was',
        'put meanwhile',
        undefined,
      ]);
      expect([here.messages, there.messages, late.messages]).toEqual([['here goes on'], ['there again'], ['late too']]);
    },
    REDIS_LIMIT_MS,
  );

  it('is told of once by servers that share it, whose mailboxes have nothing else that could fail', async () => {
    const { storage$, store$ } = await serveAll(lab, { store: `redis://127.0.0.1:${redis.port}`, storePrefix: prefix });
    const [storage, store] = [lab.collect(storage$), lab.collect(store$)];
    const gone = firstValueFrom(store$.pipe(filter(({ isWritable }) => !isWritable)));
    await redis.kill();
    await gone;
    expect(store.map(({ isWritable }) => isWritable)).toEqual([true, false]);
    expect(storage).toEqual([{ isWritable: true }]);
  });

  it('counts as gone when it does not answer, until it does', async () => {
    const store = await open({ answerMs: 400 });
    await store.put('unls', 'a', 'one', 60_000);
    await redis.kill('SIGSTOP');
    await expectAsync(Promise.resolve(store.get('unls', 'a'))).toBeRejectedWithError(StoreError, /timed out/);
    await expectAsync(Promise.resolve(store.get('unls', 'a'))).toBeRejectedWithError(StoreError, /in time/);
    await redis.kill('SIGCONT');
    await becomes(store, true);
    expect(await store.get('unls', 'a')).toBe('one');
  });
});

describe('something else than Redis', () => {
  const openStore = redisStores();
  let server: Server;
  let sockets: Socket[];

  beforeEach(() => {
    sockets = [];
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  const answersBy = async (answer: (socket: Socket) => void) => {
    server = createServer((socket) => {
      sockets.push(socket.on('error', () => undefined));
      answer(socket);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return `redis://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  };

  for (const [what, answer] of [
    ['says nothing', () => undefined],
    ['hangs up', (socket: Socket) => socket.destroy()],
    ['speaks HTTP', (socket: Socket) => socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'))],
    ['says OK to everything', (socket: Socket) => socket.on('data', () => socket.write('+OK\r\n'.repeat(9)))],
    ['refuses everything', (socket: Socket) => socket.on('data', () => socket.write('-ERR no\r\n'))],
    ['answers with numbers', (socket: Socket) => socket.on('data', () => socket.write(':1\r\n'))],
  ] as const) {
    it(`that ${what} is no store`, async () => {
      const url = await answersBy(answer);
      await expectAsync(openStore(url, { answerMs: 50 })).toBeRejectedWithError(StoreError);
    });
  }
});
