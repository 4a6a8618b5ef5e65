import type { Socket } from 'node:net';
import { unwatched } from '../../../servers/watch.js';
import { fileURLToPath } from 'node:url';
import type { Endpoint } from '../../../lib/endpoint.js';
import { StoreError } from '../../../lib/errors.js';
import { createIdentity, type Identity } from '../../../lib/identity.js';
import { formatUnl } from '../../../lib/unl.js';
import { DEFAULT_MAILBOX_LIMITS } from '../../../servers/mailbox/limits.js';
import { BOX_KEYS } from '../../../servers/mailbox/shared/box-scripts.js';
import { SharedBoxes } from '../../../servers/mailbox/shared/boxes.js';
import { TABLE_KEYS } from '../../../servers/store/redis/table-scripts.js';
import type { RedisStore } from '../../../servers/store/redis-store.js';
import { bulk, fakeRedis, type FakeAnswer, type FakeRedis } from '../../support/fake-redis.js';
import { temporaryFolder } from '../../support/folder.js';
import { LineClient } from '../../support/line-client.js';
import { unlOf } from '../../support/locators.js';
import { Lab } from '../../support/nodes.js';
import { Program } from '../../support/program.js';
import { proveLine } from '../../support/proof.js';
import { needsRedis, REDIS_LIMIT_MS, redisServers, redisStores } from '../../support/redis.js';
import { putCertificate, webCertificate } from '../../support/web-certificate.js';
import { hastyScheduler } from './hasty-scheduler.js';
import { listener } from './listener.js';
import { becomes } from './becomes.js';
import { freePort } from '../../support/free-port.js';

const SERVING = fileURLToPath(new URL('../../support/serving-process.js', import.meta.url));
const SERVERS = new URL('../../../servers/index.js', import.meta.url).href;

/** A client with a session at a server. */
async function sessionAt(where: Endpoint, identity: Identity): Promise<LineClient> {
  const client = await LineClient.to(where);
  const [, nonce = ''] = (await client.ask('HELLO 2')).split(' ');
  expect(await client.ask(proveLine(client, identity, nonce))).toMatch(/^WELCOME/);
  return client;
}

describe('A Redis that answers wrongly after it was opened', () => {
  const openStore = redisStores();
  let fakes: FakeRedis[];
  beforeEach(() => {
    fakes = [];
  });
  afterEach(() => {
    for (const fake of fakes) fake.close();
  });

  /** A store in a Redis that answers as it is told once it is open, until that is over. */
  async function opened(answer: FakeAnswer, answerMs = 1_000) {
    const wrong = { isOn: false };
    const fake = await fakeRedis((words, socket) => (wrong.isOn ? answer(words, socket) : undefined));
    fakes.push(fake);
    const store = await openStore(fake.url, { answerMs });
    wrong.isOn = true;
    return { store, wrong };
  }

  /** Refuses, and can be used again once Redis answers as one. */
  async function recovers(store: RedisStore, wrong: { isOn: boolean }): Promise<void> {
    await expectAsync(Promise.resolve(store.get('unls', 'a'))).toBeRejectedWithError(StoreError);
    wrong.isOn = false;
    await becomes(store, true);
    expect(await store.get('unls', 'a')).toBeUndefined();
  }

  const toScripts =
    (what: string): FakeAnswer =>
    ([verb]) =>
      verb === 'evalsha' ? what : undefined;

  for (const [what, answer] of [
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['bytes of no kind', '\x00\xff\x16\x03\x01junk\r\n'],
    ['a length that is none', '$-7\r\n'],
    ['a text that does not end where it was said to', '$3\r\nabcdef\r\n'],
    ['a text of gigabytes', '$999999999\r\nabc'],
    ['a list of gigabytes', '*4294967295\r\n'],
    ['lists in lists without end', '*1\r\n'.repeat(10_000)],
    ['a line without end', `+${'x'.repeat(100_000)}`],
    ['more than was asked for', '*0\r\n_\r\n'],
    ['more than was asked for, with nothing in it', '*0\r\n$-1\r\n'],
    ['a push without a name', '>1\r\n_\r\n'],
    ['an empty push', '>0\r\n'],
    ['a subscription to nothing', `>2\r\n${bulk('subscribe')}_\r\n`],
    ['a subscription that nobody wants', `>3\r\n${bulk('subscribe')}${bulk('a')}:1\r\n`],
    ['a message without a text', `>3\r\n${bulk('message')}${bulk('a')}_\r\n`],
    ['nothing, again and again, that never ends', '_'.repeat(300)],
    ['attributes', '|1\r\n+a\r\n+b\r\n*0\r\n'],
  ] as const) {
    it(`with ${what} is one that is gone, until it answers as Redis does`, async () => {
      const { store, wrong } = await opened(toScripts(answer));
      await recovers(store, wrong);
    });
  }

  for (const [what, answer] of [
    ['a number', ':1\r\n'],
    ['nothing', '_\r\n'],
    ['a text', bulk('a')],
    ['keys without values', `*1\r\n${bulk('a')}`],
    ['numbers', '*2\r\n:1\r\n:2\r\n'],
    ['lists of nothing', '*2\r\n*0\r\n_\r\n'],
    ['another map', `%1\r\n:1\r\n:2\r\n`],
  ] as const) {
    it(`with ${what} for entries has the request refused, and no other`, async () => {
      const { store, wrong } = await opened(toScripts(answer));
      await expectAsync(Promise.resolve(store.get('unls', 'a'))).toBeRejectedWithError(StoreError, /something else/);
      wrong.isOn = false;
      expect(await store.get('unls', 'a')).toBeUndefined();
    });
  }

  it('with something else than a push to those who subscribe is one that is gone, until it answers as Redis does', async () => {
    for (const answer of ['+\r\n', ':1\r\n', '*0\r\n', '_\r\n', `*3\r\n${bulk('subscribe')}${bulk('a')}:1\r\n`]) {
      const { store, wrong } = await opened(([verb]) => (verb === 'subscribe' ? answer : undefined));
      await store.listen('a', listener());
      await becomes(store, false);
      wrong.isOn = false;
      await becomes(store, true);
    }
  });

  it('with half an answer is one that is gone, until it answers as Redis does', async () => {
    let half: Socket | undefined;
    const { store, wrong } = await opened(([verb], socket) => {
      if (verb !== 'evalsha') return undefined;
      half = socket;
      return '*2\r\n$1\r\na\r\n$100\r\nhalf';
    }, 50);
    await expectAsync(Promise.resolve(store.get('unls', 'a'))).toBeRejectedWithError(StoreError, /timed out/);
    wrong.isOn = false;
    half?.destroy();
    await becomes(store, true);
    expect(await store.get('unls', 'a')).toBeUndefined();
  });

  it('byte for byte is heard, if it comes in time', async () => {
    const { store } = await opened(([verb], socket) => {
      if (verb !== 'evalsha') return undefined;
      const bytes = Buffer.from(`*2\r\n${bulk('a')}${bulk('one')}`);
      const next = (at: number) => {
        socket.write(bytes.subarray(at, at + 1), () => {
          if (at + 1 < bytes.length) setImmediate(next, at + 1);
        });
      };
      next(0);
      return '';
    });
    expect(await store.get('unls', 'a')).toBe('one');
  });

  it('on the connection by which messages come says nothing any more, is one that is gone, until it does', async () => {
    const silent = new Set<Socket>();
    const fake = await fakeRedis(([verb], socket) => {
      if (verb === 'subscribe') silent.add(socket);
      return silent.has(socket) && verb === 'ping' ? '' : undefined;
    });
    fakes.push(fake);
    const store = await openStore(fake.url, { answerMs: 400 }, { scheduler: hastyScheduler({ now: 0 }) });
    await store.listen('a', listener());
    await becomes(store, false);
    await becomes(store, true);
    expect(silent.size).toBeGreaterThan(1);
  });

  it('that speaks no RESP3 is no store, and says so', async () => {
    for (const refusal of ['-NOPROTO unsupported protocol version\r\n', "-ERR unknown command 'HELLO'\r\n"]) {
      const fake = await fakeRedis(([verb]) => (verb === 'hello' ? refusal : undefined));
      fakes.push(fake);
      await expectAsync(openStore(fake.url)).toBeRejectedWithError(StoreError, /RESP3/);
    }
  });
});

describe('A Redis that has keys of another program under the same prefix', () => {
  const { start } = redisServers();
  const openStore = redisStores();
  const lab = new Lab();
  afterEach(() => lab.close());

  it(
    'has what needs them refused, and sessions go on',
    async () => {
      needsRedis();
      const redis = await start();
      const store = await openStore(`redis://127.0.0.1:${redis.port}`, { prefix: 'wrong:' });
      for (const [table, keys] of [
        ['unls', TABLE_KEYS],
        ['mailbox', BOX_KEYS],
      ] as const) {
        for (const key of keys) await redis.ask('sadd', `wrong:{${table}:0}:${key}`, 'a');
      }
      const { local } = await lab.server({ store });
      const [alice, bob] = [createIdentity(), createIdentity()];
      const [here, there] = [await sessionAt(local, alice), await sessionAt(local, bob)];
      expect(await here.ask(`ADVERTISE ${formatUnl(unlOf({ peerId: alice.peerId }))}`)).toMatch(
        /^REFUSED store-unavailable /,
      );
      expect(await here.ask('UNLS 1 10')).toMatch(/^REFUSED store-unavailable /);
      expect(await here.ask(`SEND 2 ${bob.peerId} eA`)).toBe('SENT 2');
      expect(await there.heard()).toBe(`MESSAGE ${alice.peerId} eA 127.0.0.1`);
      const boxes = new SharedBoxes({
        connection: store.connection,
        watch: unwatched,
        limits: DEFAULT_MAILBOX_LIMITS,
        places: 1,
        now: Date.now,
        arrived: () => undefined,
      });
      const message = {
        to: bob.peerId,
        from: alice.peerId,
        id: 'a',
        message: 'eA',
        seenAt: '192.0.2.7',
        receipt: 'r',
        arrived: 0,
        expires: Number.MAX_SAFE_INTEGER,
      };
      await expectAsync(boxes.put(message)).toBeRejectedWithError(StoreError, /WRONGTYPE/);
      await expectAsync(boxes.sweep()).toBeRejectedWithError(StoreError, /WRONGTYPE/);
      boxes.close();
      here.socket.destroy();
      there.socket.destroy();
    },
    REDIS_LIMIT_MS,
  );
});

describe('A Redis with TLS', () => {
  const { start } = redisServers();
  const openStore = redisStores();
  const file = temporaryFolder();
  const programs: Program[] = [];
  afterEach(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.splice(0).map((program) => program.exit()));
  });

  it(
    'is a store of servers that trust its certificate, and of no others',
    async () => {
      needsRedis();
      const { certFile, keyFile } = putCertificate(file, webCertificate('127.0.0.1'));
      const port = await freePort();
      const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', certFile];
      const redis = await start('--tls-port', `${port}`, '--tls-auth-clients', 'no', ...files);
      await expectAsync(openStore(`rediss://127.0.0.1:${port}`)).toBeRejectedWithError(StoreError, /self-signed/);
      await expectAsync(openStore(`redis://127.0.0.1:${port}`, { answerMs: 200 })).toBeRejectedWithError(StoreError);
      await expectAsync(openStore(`rediss://127.0.0.1:${redis.port}`)).toBeRejectedWithError(StoreError);
      for (let count = 0; count < 2; count++) {
        const args = [`rediss://127.0.0.1:${port}`, 'tls:'];
        programs.push(new Program(SERVING, args, { NODE_EXTRA_CA_CERTS: certFile }));
      }
      await Promise.all(programs.map((program) => program.line(/^\d+$/)));
      const [alice, bob] = [createIdentity(), createIdentity()];
      const at = (index: number) => ({ address: '127.0.0.1', port: Number(programs[index]?.lines[0]) });
      const [atOne, atOther] = [await sessionAt(at(0), alice), await sessionAt(at(1), bob)];
      expect(await atOne.send(bob.peerId, atOther)).toEqual({ from: alice.peerId, address: '127.0.0.1' });
    },
    REDIS_LIMIT_MS,
  );
});

describe('A store in Redis without the package ioredis', () => {
  it('fails with an error that says how to install it', async () => {
    const hooks = `export async function resolve(specifier, context, next) {
      if (specifier !== 'ioredis') return next(specifier, context);
      throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
    }`;
    const data = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;
    const without = data(`import { register } from 'node:module'; register(${JSON.stringify(data(hooks))});`);
    const program = `
      import { redisStore$ } from ${JSON.stringify(SERVERS)};
      redisStore$('redis://127.0.0.1:1').subscribe({ error: ({ name, code, message }) => console.log(name, code, message) });`;
    const running = new Program(`--import=${without}`, ['--input-type=module', '--eval', program]);
    expect(await running.exit())
      .withContext(running.stderr)
      .toBe(0);
    expect(running.lines).toEqual([
      'UnavailableError UNAVAILABLE The package ioredis is not installed: npm install ioredis',
    ]);
  });
});
