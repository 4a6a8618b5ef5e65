import { firstValueFrom, Subscription, type Observable } from 'rxjs';
import {
  announcementOf,
  COMMAND,
  decodeAnswer,
  encodeAnnounce,
  encodeStore,
  FIND_PADDING,
  mailboxOf,
  SECRET_BYTES,
  STATUS,
  toParts,
} from '../../lib/dht/messages.js';
import { dhtNode$, type Answer, type DhtNode } from '../../lib/dht/node.js';
import type { Endpoint } from '../../lib/endpoint.js';
import { createIdentity, type Identity } from '../../lib/identity.js';
import { dhtServer$, serve$, type DhtLimits } from '../../servers/index.js';
import { newAddress } from '../support/nodes.js';

const SECRET = Buffer.alloc(SECRET_BYTES, 7);

describe('A node of the DHT that serves', () => {
  let all = new Subscription();
  beforeEach(() => {
    all = new Subscription();
  });
  afterEach(() => {
    all.unsubscribe();
  });

  function opened<T>(source$: Observable<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      all.add(source$.subscribe({ next: resolve, error: reject }));
    });
  }

  /** A server, and a client that knows what it needs to know of it. */
  async function pair(
    limits?: Partial<DhtLimits>,
  ): Promise<{ server: Endpoint; client: DhtNode; hello: Answer; id: Buffer }> {
    const { local } = await opened(dhtServer$({ bind: newAddress(), port: 0, limits }));
    const client = await opened(dhtNode$({ bind: newAddress(), bootstrap: [] }));
    const target = Buffer.alloc(32);
    const hello = await firstValueFrom(
      client.ask$(local, { command: COMMAND.find, value: FIND_PADDING, target }, true),
    );
    if (hello.id === undefined) throw new Error('Expected a member');
    return { server: local, client, hello, id: hello.id };
  }

  async function statusOf(answer$: Observable<Answer>): Promise<number | undefined> {
    return decodeAnswer((await firstValueFrom(answer$)).value)?.status;
  }

  function storeOf(text: string, to: Identity = createIdentity()): Buffer {
    const [part] = toParts(Buffer.from(text));
    const mailbox = mailboxOf(to.peerId);
    if (part === undefined || mailbox === undefined) throw new Error('Expected a part');
    return encodeStore({ to: mailbox, part, keepMs: 60_000 });
  }

  it('takes an announcement that the key has signed for it, for this address, with its token', async () => {
    const { server, client, hello, id } = await pair();
    const identity = createIdentity();
    const { token, seenAs } = hello;
    if (token === undefined) throw new Error('Expected a token');
    const announce = (value: Buffer, by: Buffer | undefined = token) =>
      statusOf(client.ask$(server, { command: COMMAND.announce, value, token: by }, true));
    const good = encodeAnnounce(identity, SECRET, announcementOf(token, id, seenAs, SECRET));
    expect(await announce(good)).toBe(STATUS.ok);

    const elsewhere = { ...seenAs, port: seenAs.port ^ 1 };
    const bad = {
      forged: Buffer.concat([good.subarray(0, 48), Buffer.alloc(64, 1)]),
      'for another node': encodeAnnounce(identity, SECRET, announcementOf(token, Buffer.alloc(32), seenAs, SECRET)),
      'for another address': encodeAnnounce(identity, SECRET, announcementOf(token, id, elsewhere, SECRET)),
      'with another token': encodeAnnounce(identity, SECRET, announcementOf(Buffer.alloc(32), id, seenAs, SECRET)),
      "of somebody else's key": Buffer.concat([
        encodeAnnounce(createIdentity(), SECRET, undefined).subarray(0, 32),
        good.subarray(32),
      ]),
      'without a signature': encodeAnnounce(identity, SECRET, undefined),
      'with another secret': Buffer.concat([good.subarray(0, 32), Buffer.alloc(SECRET_BYTES, 8), good.subarray(48)]),
      short: good.subarray(1),
    };
    for (const [what, value] of Object.entries(bad)) {
      expect(await announce(value))
        .withContext(what)
        .toBe(STATUS.refused);
    }
  });

  it('takes no announcement that was made at another address, replayed', async () => {
    const { server, client, hello, id } = await pair();
    const { token, seenAs } = hello;
    if (token === undefined) throw new Error('Expected a token');
    const value = encodeAnnounce(createIdentity(), SECRET, announcementOf(token, id, seenAs, SECRET));
    expect(await statusOf(client.ask$(server, { command: COMMAND.announce, value, token }, true))).toBe(STATUS.ok);
    // dht-rpc's own: a token is good for the host that it was given to.
    const thief = await opened(dhtNode$({ bind: newAddress(), bootstrap: [] }));
    const replay = { command: COMMAND.announce, value, token };
    expect((await firstValueFrom(thief.ask$(server, replay, true))).error).toBe(2);
    // On the same host, at another port.
    const neighbour = await opened(dhtNode$({ bind: client.local.address, bootstrap: [] }));
    expect(await statusOf(neighbour.ask$(server, replay, true))).toBe(STATUS.refused);
  });

  it('does nothing without a token but give one, and never answers with more than it was sent', async () => {
    const { server, client } = await pair();
    for (const [command, value] of [
      [COMMAND.store, storeOf('x')],
      [COMMAND.announce, encodeAnnounce(createIdentity(), SECRET, undefined)],
    ] as const) {
      const answer = await firstValueFrom(client.ask$(server, { command, value }, true));
      expect(decodeAnswer(answer.value)?.status).toBe(STATUS.tokenNeeded);
      expect(answer.token?.length).toBe(32);
      // type, flags, number and address 10; id 32; token 32; length 1.
      expect(10 + 32 + 32 + 1 + answer.value.length).toBeLessThan(10 + 3 + 1 + value.length);
      const again = client.ask$(server, { command, value, token: Buffer.alloc(32) }, true);
      expect((await firstValueFrom(again)).error).toBe(2);
    }
    const small = client.ask$(
      server,
      { command: COMMAND.find, value: Buffer.alloc(0), target: Buffer.alloc(32) },
      false,
    );
    await expectAsync(firstValueFrom(small)).toBeRejected();
    // Twenty nodes of six bytes, and all that is around them, against what is padded.
    expect(10 + 32 + 32 + 1 + 20 * 6 + 2).toBeLessThan(10 + 3 + 32 + 1 + FIND_PADDING.length);
  });

  it('stores so much of one host and no more', async () => {
    const { server, client, hello } = await pair({ partsPerHost: 3 });
    const { token } = hello;
    const statuses: (number | undefined)[] = [];
    for (const text of ['1', '2', '3', '4', '1']) {
      const to = createIdentity();
      statuses.push(
        await statusOf(client.ask$(server, { command: COMMAND.store, value: storeOf(text, to), token }, true)),
      );
    }
    expect(statuses).toEqual([STATUS.ok, STATUS.ok, STATUS.ok, STATUS.refused, STATUS.refused]);
    const garbage = client.ask$(server, { command: COMMAND.store, value: Buffer.alloc(40, 1), token }, true);
    expect(await statusOf(garbage)).toBe(STATUS.refused);
  });

  it('does not answer a host that asks too much, and still answers others', async () => {
    const { server, client, hello } = await pair({ requestBurst: 5, requestsPerSecond: 1 });
    const ask = (node: DhtNode, text: string) =>
      firstValueFrom(
        node.ask$(server, { command: COMMAND.store, value: storeOf(text), token: hello.token }, false),
      ).then(
        () => true,
        () => false,
      );
    const flood = await Promise.all(Array.from({ length: 40 }, (_, index) => ask(client, `flood ${index}`)));
    expect(flood.filter((isAnswered) => isAnswered).length).toBeLessThan(10);
    const other = await opened(dhtNode$({ bind: newAddress(), bootstrap: [] }));
    expect(await ask(other, 'other')).toBeTrue();
  });

  it('runs beside the others, and lets go of its port', async () => {
    const bind = newAddress();
    const { endpoints } = await firstValueFrom(serve$({ bind, port: 0, httpPort: 0, dhtPort: 0 }));
    expect(endpoints.map(({ name }) => name)).toEqual(['rendezvous', 'http', 'dht', 'dht-http']);
    const port = endpoints[2]?.local.port ?? 0;
    expect(port).toBeGreaterThan(0);
    const without = await firstValueFrom(serve$({ bind, port: 0, httpPort: 0 }));
    expect(without.endpoints.map(({ name }) => name)).toEqual(['rendezvous', 'http']);
  });

  it('refuses an address that is none of IPv4, and what is of no use without its port', async () => {
    const local = { bind: newAddress(), port: 0, httpPort: 0 };
    const dhtBootstrap = [{ host: '127.0.0.1', port: 9 }];
    for (const config of [
      ...['foo', '', '2001:db8::1', '::ffff:192.0.2.1', '0.0.0.0', '192.0.2'].map((dhtAddress) => ({
        dhtPort: 0,
        dhtAddress,
      })),
      { dhtAddress: '127.0.0.1' },
      { dhtBootstrap },
    ]) {
      await expectAsync(firstValueFrom(serve$({ ...local, ...config })))
        .withContext(JSON.stringify(config))
        .toBeRejectedWith(jasmine.objectContaining({ code: 'INVALID_OPTION' }));
    }
  });

  it('fails with LISTEN_FAILED when the port is taken', async () => {
    const { server } = await pair();
    const again$ = dhtServer$({ bind: server.address, port: server.port });
    await expectAsync(firstValueFrom(again$)).toBeRejectedWith(jasmine.objectContaining({ code: 'LISTEN_FAILED' }));
  });
});
