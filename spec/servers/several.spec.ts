import { filter, firstValueFrom, Subscription } from 'rxjs';
import { createIdentity, formatUnl, type Identity } from '../../lib/index.js';
import { encode } from '../../lib/signalling/carriers/mailbox-messages.js';
import { serve$, type ServeConfig, type Serving } from '../../servers/index.js';
import { LineClient } from '../support/line-client.js';
import { call, MailboxCaller, refusalOf, textsOf } from '../support/mailbox.js';
import { SessionCaller } from '../support/mailbox-session.js';
import { proveLine } from '../support/proof.js';
import { needsRedis, REDIS_LIMIT_MS, redisServers, redisStores, type RedisServer } from '../support/redis.js';

describe('Several servers with one store', () => {
  const { start } = redisServers();
  const openStore = redisStores();
  const clients: LineClient[] = [];
  let running = new Subscription();
  let redis: RedisServer;

  beforeEach(async () => {
    needsRedis();
    redis = await start();
    running = new Subscription();
  }, REDIS_LIMIT_MS);
  afterEach(() => {
    for (const client of clients.splice(0)) client.socket.destroy();
    running.unsubscribe();
  });

  const serve = (config: ServeConfig = {}) =>
    new Promise<Serving>((resolve, reject) => {
      const store = `redis://127.0.0.1:${redis.port}`;
      const all$ = serve$({ bind: '127.0.0.1', port: 0, httpPort: 0, store, relay: false, ...config });
      running.add(all$.subscribe({ next: resolve, error: reject }));
    });

  const portOf = ({ endpoints }: Serving, name: string) =>
    endpoints.find((endpoint) => endpoint.name === name)?.local.port ?? 0;

  /** A client with a session at a server. */
  async function sessionOf(identity: Identity, serving: Serving): Promise<LineClient> {
    const client = await LineClient.to({ address: '127.0.0.1', port: portOf(serving, 'rendezvous') });
    clients.push(client);
    const [, nonce = ''] = (await client.ask('HELLO 2')).split(' ');
    expect(await client.ask(proveLine(client, identity, nonce))).toMatch(/^WELCOME /);
    return client;
  }

  const unlOf = ({ peerId }: Identity) =>
    formatUnl({
      version: 3,
      peerId,
      nodeType: 'passive',
      natType: { type: 'open' },
      endpoints: [{ kind: 'wan', address: '127.0.0.1', port: 4000 }],
      rendezvous: [],
      mailboxes: [],
      dht: [],
      mqtt: [],
      extensions: [],
    });

  it('pass messages between sessions, list the nodes of all, and know where a node is now', async () => {
    const [one, other] = await Promise.all([serve(), serve()]);
    const [alice, bob] = [createIdentity(), createIdentity()];
    const atOne = await sessionOf(alice, one);
    expect(await atOne.ask(`SEND 1 ${bob.peerId} eA`)).toBe('ABSENT 1');
    const atOther = await sessionOf(bob, other);
    expect(await atOne.send(bob.peerId, atOther)).toEqual({ from: alice.peerId, address: '127.0.0.1' });
    atOther.say(`ADVERTISE ${unlOf(bob)}`);
    expect(await atOther.ask('PING')).toBe('PONG');
    expect(await atOne.ask('UNLS 3 10')).toBe(`LISTED 3 ${unlOf(bob)}@127.0.0.1`);
    // He moves to the server at which Alice is.
    const moved = await sessionOf(bob, one);
    expect(await atOther.heard()).toMatch(/^REFUSED replaced /);
    await atOther.closed();
    expect(await atOne.ask(`SEND 4 ${bob.peerId} eg`)).toBe('SENT 4');
    expect(await moved.heard()).toBe(`MESSAGE ${alice.peerId} eg 127.0.0.1`);
    expect(await atOne.ask('UNLS 5 10')).toBe(`LISTED 5 ${unlOf(bob)}@127.0.0.1`);
    moved.say('WITHDRAW');
    expect(await moved.ask('PING')).toBe('PONG');
    expect(await atOne.ask('UNLS 6 10')).toBe('LISTED 6');
  });

  it('take a store that is open already, for what it is opened with', async () => {
    const open = () => openStore(`redis://127.0.0.1:${redis.port}`, { places: 8, prefix: 'several:' });
    const [one, other] = [await serve({ store: await open() }), await serve({ store: await open() })];
    const [alice, bob] = [createIdentity(), createIdentity()];
    const [atOne, atOther] = [await sessionOf(alice, one), await sessionOf(bob, other)];
    expect(await atOne.send(bob.peerId, atOther)).toEqual({ from: alice.peerId, address: '127.0.0.1' });
    // The mailbox is there, too.
    const caller = new MailboxCaller({ host: '127.0.0.1', port: portOf(one, 'http') }, alice);
    await caller.put(bob.peerId, 'hello');
    const taker = new MailboxCaller({ host: '127.0.0.1', port: portOf(other, 'http') }, bob);
    expect(textsOf(await taker.take())).toEqual(['hello']);
  });

  it('bring what is put at one to a session at another, and it is gone from all once that has acknowledged it', async () => {
    // However long it takes until Redis has subscribed.
    const mailboxLimits = { putBurst: 1e6, requestBurst: 1e6, lineBurst: 1e6 };
    const [one, other] = await Promise.all([serve({ mailboxLimits }), serve({ mailboxLimits })]);
    const whereOf = (serving: Serving) => ({ host: '127.0.0.1', port: portOf(serving, 'http') });
    const alice = await SessionCaller.open(whereOf(one));
    const bob = await SessionCaller.open(whereOf(other));
    clients.push(alice.client, bob.client);
    expect(await alice.put(bob.peerId, 'before')).toEqual({ verb: 'KEPT', id: 'id-0' });
    bob.take();
    const [before] = await bob.messages(1);
    while ((await alice.put(bob.peerId, 'now', { id: 'now' })).verb !== 'DELIVERED');
    const [now] = await bob.messages(1);
    expect([before?.text, now?.text]).toEqual(['before', 'now']);
    bob.say({ verb: 'ACK', receipts: [before?.receipt ?? '', now?.receipt ?? ''] });
    const elsewhere = new MailboxCaller(whereOf(one), bob.identity);
    while ((await elsewhere.take()).length > 0);
  });

  it('have one mailbox: what is put at one wakes who waits at another, and a take is good for one of them', async () => {
    const [one, other] = await Promise.all([serve(), serve()]);
    const [atOne, atOther] = [
      { host: '127.0.0.1', port: portOf(one, 'http') },
      { host: '127.0.0.1', port: portOf(other, 'http') },
    ];
    const alice = new MailboxCaller(atOne);
    const bob = new MailboxCaller(atOther);
    const taken = bob.take({ waitMs: 10_000 });
    // Until he waits there, he is not known to be present.
    let isThere = false;
    while (!isThere) isThere = (await alice.put(bob.peerId, 'hello')).text.includes('true');
    const [first] = await taken;
    expect(first?.from).toBe(alice.peerId);
    // Somebody who has seen a take of his asks the same of both.
    const body = encode({ owner: bob.peerId, at: bob.at(), waitMs: 0, acknowledge: [], holding: [] });
    const headers = { authorization: bob.sign('take', body), host: `127.0.0.1:${atOther.port}` };
    expect((await call(atOther, '/mailbox/take', body, headers)).status).toBe(200);
    expect(refusalOf(await call(atOne, '/mailbox/take', body, headers))).toBe('replayed');
    // What he acknowledges at one is gone at the other.
    const elsewhere = new MailboxCaller(atOne, bob.identity, () => Date.now() + 50);
    const kept = await elsewhere.take();
    expect(kept.length).toBeGreaterThan(0);
    await elsewhere.take({ acknowledge: kept.map(({ receipt }) => receipt) });
    const later = new MailboxCaller(atOther, bob.identity, () => Date.now() + 100);
    expect(await later.take()).toEqual([]);
  });

  it(
    'keep their sessions while the store is gone, refuse what needs it, and are whole when it is back',
    async () => {
      const [one, other] = await Promise.all([serve(), serve()]);
      const [alice, bob, carol] = [createIdentity(), createIdentity(), createIdentity()];
      const [atOne, alsoAtOne, atOther] = await Promise.all([
        sessionOf(alice, one),
        sessionOf(carol, one),
        sessionOf(bob, other),
      ]);
      atOther.say(`ADVERTISE ${unlOf(bob)}`);
      expect(await atOther.ask('PING')).toBe('PONG');
      await redis.kill();
      expect(await atOne.ask(`SEND 1 ${bob.peerId} eA`)).toBe('ABSENT 1');
      expect(await atOne.heard()).toMatch(/^REFUSED store-unavailable /);
      expect(await atOne.ask('UNLS 2 10')).toMatch(/^REFUSED store-unavailable /);
      expect(await atOne.ask(`ADVERTISE ${unlOf(alice)}`)).toMatch(/^REFUSED store-unavailable /);
      expect(await atOne.ask(`SEND 3 ${carol.peerId} eQ`)).toBe('SENT 3');
      expect(await alsoAtOne.heard()).toBe(`MESSAGE ${alice.peerId} eQ 127.0.0.1`);
      // Sessions begin, too.
      const dave = createIdentity();
      const late = await sessionOf(dave, other);
      const caller = new MailboxCaller({ host: '127.0.0.1', port: portOf(one, 'http') });
      expect(refusalOf(await caller.askTake())).toBe('store-unavailable');
      expect(refusalOf(await caller.put(bob.peerId, 'hello'))).toBe('store-unavailable');
      await redis.restart();
      await Promise.all(
        [one, other].map(({ store$ }) => firstValueFrom(store$.pipe(filter((state) => state.isWritable)))),
      );
      for (const [receiver, client] of [
        [bob, atOther],
        [dave, late],
      ] as const) {
        expect(await atOne.send(receiver.peerId, client)).toEqual({ from: alice.peerId, address: '127.0.0.1' });
      }
      // What was advertised meanwhile is listed, too.
      let listed = '';
      while (listed.split(' ').length < 4) listed = await alsoAtOne.ask('UNLS 5 10');
      expect(listed.split(' ').slice(2).toSorted()).toEqual(
        [alice, bob].map((of) => `${unlOf(of)}@127.0.0.1`).toSorted(),
      );
    },
    REDIS_LIMIT_MS,
  );
});
