import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { filter, firstValueFrom, map, type Observable } from 'rxjs';
import { InvalidOptionError, ListenError } from '../../../lib/errors.js';
import { createIdentity } from '../../../lib/identity.js';
import { encodeJoin } from '../../../lib/techniques/relay/protocol.js';
import { systemRuntime, type Runtime } from '../../../lib/runtime.js';
import { CLOCK_TOLERANCE_MS } from '../../../lib/signed-request.js';
import type { RelayCounters } from '../../../servers/relay/counters.js';
import { relayServer$, type RelayServerConfig } from '../../../servers/relay/server.js';
import { serve$ } from '../../../servers/serve.js';
import { failureOf, Lab, newAddress } from '../../support/nodes.js';
import {
  allOf,
  askUpgrade,
  bytesOf,
  closing,
  joined,
  joinHeaders,
  RelayNode,
  relayRefusalOf,
  type Where,
} from '../../support/relay.js';

const MIB = 1024 * 1024;

describe('A relay server', () => {
  const lab = new Lab();
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await lab.close();
  });

  /** A relay that runs until it is stopped or the spec is over. */
  async function open(config: RelayServerConfig = {}, runtime?: Runtime) {
    return new Promise<Where & { readonly counters$: Observable<RelayCounters>; readonly stop: () => void }>(
      (resolve, reject) => {
        const serving = lab.use(
          relayServer$({ bind: '127.0.0.1', port: 0, ...config }, runtime).subscribe({
            next: ({ local, counters$ }) => {
              const stop = () => {
                serving.unsubscribe();
              };
              resolve({ host: local.address, port: local.port, counters$, stop });
            },
            error: reject,
          }),
        );
      },
    );
  }

  /** Two nodes at a relay. */
  function nodesAt(where: Where): readonly [RelayNode, RelayNode] {
    return [new RelayNode(where), new RelayNode(where)];
  }

  async function pairAt(where: Where): Promise<readonly [Socket, Socket]> {
    const pair = await joined(...nodesAt(where));
    sockets.push(...pair);
    for (const socket of pair) socket.on('error', () => undefined);
    return pair;
  }

  function until(counters$: Observable<RelayCounters>, condition: (counters: RelayCounters) => boolean) {
    return firstValueFrom(counters$.pipe(filter(condition)));
  }

  describe('joins two nodes', () => {
    it('that come one after the other, and what the first has sent waits for the second', async () => {
      const [alice, bob] = nodesAt(await open());
      const token = systemRuntime.newId();
      const here = await alice.join(bob.peerId, token);
      here.write('hello before you are there');
      const there = await bob.join(alice.peerId, token);
      sockets.push(here, there);
      expect(await bytesOf(there, 26)).toBe('hello before you are there');
      there.write('hello');
      expect(await bytesOf(here, 5)).toBe('hello');
    });

    it('below any path', async () => {
      const where = await open();
      const [alice, bob] = [new RelayNode(where, '/p2p/'), new RelayNode(where, '/elsewhere')];
      const [here, there] = await joined(alice, bob);
      sockets.push(here, there);
      here.write('x');
      expect(await bytesOf(there, 1)).toBe('x');
    });

    it('and passes all that either says on to the other, in order, both ways at once', async () => {
      const { counters$, ...where } = await open();
      const [here, there] = await pairAt(where);
      const [sent, answer] = [randomBytes(20 * MIB), randomBytes(10 * MIB)];
      here.end(sent);
      there.end(answer);
      const [atThere, atHere] = await Promise.all([allOf(there), allOf(here)]);
      expect(atThere.equals(sent)).toBeTrue();
      expect(atHere.equals(answer)).toBeTrue();
      const { bytes, joined: pairs } = await until(counters$, ({ sessions }) => sessions === 0);
      expect(bytes).toBe(sent.length + answer.length);
      expect(pairs).toBe(1);
    });

    it('and lets one end before the other', async () => {
      const [here, there] = await pairAt(await open());
      here.end('that is all');
      expect((await allOf(there)).toString()).toBe('that is all');
      there.write('not here');
      expect(await bytesOf(here, 8)).toBe('not here');
      there.end(' any more');
      expect((await allOf(here)).toString()).toBe(' any more');
    });

    it('and passes a reset on as a reset', async () => {
      const { counters$, ...where } = await open();
      const [here, there] = await pairAt(where);
      here.write('x');
      expect(await bytesOf(there, 1)).toBe('x');
      const failed = once(there, 'error');
      there.resume();
      here.resetAndDestroy();
      expect(await failed).toEqual([jasmine.objectContaining({ code: 'ECONNRESET' })]);
      await until(counters$, ({ sessions }) => sessions === 0);
    });

    it('and lets no reader that stops hold up another session', async () => {
      const { counters$, ...where } = await open();
      const [writer, reader] = await pairAt(where);
      const sent = randomBytes(48 * MIB);
      writer.end(sent);
      const [here, there] = await pairAt(where);
      const other = randomBytes(32 * MIB);
      here.end(other);
      expect((await allOf(there)).equals(other)).toBeTrue();
      there.end();
      const { bytes } = await until(counters$, ({ sessions }) => sessions === 1);
      // The rest is held back where it comes from.
      expect(bytes - other.length).toBeLessThan(sent.length);
      expect((await allOf(reader)).equals(sent)).toBeTrue();
    });
  });

  describe('refuses', () => {
    it('what is no request to join', async () => {
      const where = await open();
      const [node, host] = [new RelayNode(where), `${where.host}:${where.port}`];
      const { newId, timeOfDay } = systemRuntime;
      const join = { from: node.peerId, to: createIdentity().peerId, token: newId(), at: timeOfDay() };
      for (const header of ['', 'x', '%%%', 'A'.repeat(4000), encodeJoin({ ...join, to: node.peerId })]) {
        expect(relayRefusalOf(await node.ask({}, { header })))
          .withContext(header)
          .toBe('malformed');
      }
      const { authorization = '' } = joinHeaders(node.identity, host, {});
      const without = { upgrade: 'rxp2p-relay/1', authorization };
      expect(relayRefusalOf(await askUpgrade(where, without))).toBe('malformed');
    });

    it('who does not prove its key', async () => {
      const where = await open();
      const [alice, mallory] = nodesAt(where);
      expect(relayRefusalOf(await alice.ask({}, { signer: mallory.identity }))).toBe('signature');
      expect(relayRefusalOf(await alice.ask({ from: mallory.peerId }))).toBe('signature');
      const headers = joinHeaders(alice.identity, `${where.host}:${where.port}`, {});
      for (const authorization of ['', 'Basic eDp5', 'rxp2p-ed25519 AAAA', `${headers['authorization'] ?? ''}A`]) {
        expect(relayRefusalOf(await askUpgrade(where, { ...headers, authorization }))).toBe('signature');
      }
    });

    it('what was signed for another server, where it knows its own names', async () => {
      const anywhere = await open();
      expect(relayRefusalOf(await new RelayNode(anywhere).ask({}, { signedFor: 'rv.example.org' }))).toBe('signature');
      const where = await open({ hosts: ['rv.example.org:8080'] });
      expect(relayRefusalOf(await new RelayNode(where).ask({}))).toBe('signature');
      const named = joinHeaders(createIdentity(), 'rv.example.org:8080', {});
      const { status, socket } = await askUpgrade(where, { ...named, host: 'rv.example.org:8080' });
      if (socket) sockets.push(socket);
      expect(status).toBe(101);
    });

    it('whose clock is wrong, and tells the time', async () => {
      const now = 5_000_000;
      const where = await open({}, { ...systemRuntime, timeOfDay: () => now });
      const node = new RelayNode(where);
      for (const at of [now - CLOCK_TOLERANCE_MS - 1, now + CLOCK_TOLERANCE_MS + 1]) {
        const answer = await node.ask({ at });
        expect(answer.status).toBe(409);
        expect(JSON.parse(answer.text)).toEqual({ refused: 'clock', words: jasmine.any(String), now });
      }
      // A node asks again with that.
      sockets.push(await node.join(createIdentity().peerId, systemRuntime.newId()));
    });

    it('what it may have been asked before it was started anew, and tells the time', async () => {
      const before = await open();
      const [alice, bob] = nodesAt(before);
      const host = `${before.host}:${before.port}`;
      const recorded = { ...joinHeaders(alice.identity, host, { to: bob.peerId }), host };
      const first = await askUpgrade(before, recorded);
      expect(first.status).toBe(101);
      first.socket?.destroy();
      before.stop();
      let now = Date.now() + 1;
      const after = await open({}, { ...systemRuntime, timeOfDay: () => now });
      now += 1_000;
      const replayed = await askUpgrade(after, recorded);
      expect([replayed.status, JSON.parse(replayed.text)]).toEqual([
        409,
        { refused: 'untimely', words: jasmine.any(String), now },
      ]);
      // A node whose clock is behind asks again with that.
      sockets.push(await new RelayNode(after).join(bob.peerId, systemRuntime.newId()));
    });

    it('a second use of a token, before and after the two have met, and by anybody else', async () => {
      const where = await open();
      const [alice, bob] = nodesAt(where);
      const mallory = new RelayNode(where);
      const token = systemRuntime.newId();
      const here = await alice.join(bob.peerId, token);
      const seen = [
        await alice.ask({ to: bob.peerId, token }),
        await mallory.ask({ to: bob.peerId, token }),
        await mallory.ask({ to: alice.peerId, token }),
        await bob.ask({ to: mallory.peerId, token }),
      ];
      expect(seen.map(relayRefusalOf)).toEqual(['replayed', 'taken', 'taken', 'taken']);
      const there = await bob.join(alice.peerId, token);
      sockets.push(here, there);
      const later = [
        await alice.ask({ to: bob.peerId, token }),
        await bob.ask({ to: alice.peerId, token }),
        await mallory.ask({ to: bob.peerId, token }),
      ];
      expect(later.map(relayRefusalOf)).toEqual(['replayed', 'replayed', 'taken']);
      // The two that belong together are still together.
      here.write('still');
      expect(await bytesOf(there, 5)).toBe('still');
    });

    it('to join nodes that name each other but have not the same token', async () => {
      const { counters$, ...where } = await open();
      const [alice, bob] = nodesAt(where);
      sockets.push(await alice.join(bob.peerId, systemRuntime.newId()));
      sockets.push(await bob.join(alice.peerId, systemRuntime.newId()));
      const { waiting, joined: pairs } = await firstValueFrom(counters$);
      expect([waiting, pairs]).toEqual([2, 0]);
    });

    it('a node whose partner has come and gone', async () => {
      const { counters$, ...where } = await open({ limits: { unpairedMs: 20 } });
      const [alice, bob] = nodesAt(where);
      const token = systemRuntime.newId();
      const here = await alice.join(bob.peerId, token);
      await closing(here);
      expect(relayRefusalOf(await bob.ask({ to: alice.peerId, token }))).toBe('gone');
      const { waiting, cut } = await firstValueFrom(counters$);
      expect([waiting, cut.unpaired]).toEqual([0, 1]);
    });

    it('a node whose partner reset its connection while it waited', async () => {
      const { counters$, ...where } = await open();
      const [alice, bob] = nodesAt(where);
      const token = systemRuntime.newId();
      (await alice.join(bob.peerId, token)).resetAndDestroy();
      const { cut } = await until(counters$, ({ waiting, refused }) => waiting === 0 && refused.gone === undefined);
      expect(cut.unpaired).toBe(0);
    });

    it('a node whose partner ended its connection while it waited, whatever it had sent', async () => {
      const { counters$, ...where } = await open();
      const [alice, bob] = nodesAt(where);
      for (const words of ['', 'hello']) {
        const token = systemRuntime.newId();
        const here = await alice.join(bob.peerId, token);
        here.end(words);
        await until(counters$, ({ waiting }) => waiting === 0);
        expect(relayRefusalOf(await bob.ask({ to: alice.peerId, token }))).toBe('gone');
      }
    });

    it('more than its limits: sessions, nodes of a host, requests, tokens', async () => {
      const full = await open({ limits: { sessions: 1 } });
      const [alice, bob] = nodesAt(full);
      const token = systemRuntime.newId();
      sockets.push(await alice.join(bob.peerId, token));
      const refused = await new RelayNode(full).ask({});
      expect([relayRefusalOf(refused), refused.status, refused.headers['retry-after']]).toEqual([
        'server-full',
        503,
        '30',
      ]);
      sockets.push(await bob.join(alice.peerId, token));

      const host = await open({ limits: { nodesPerHost: 1 } });
      const localAddress = newAddress();
      const { peerId } = createIdentity();
      sockets.push(await new RelayNode({ ...host, localAddress }).join(peerId, systemRuntime.newId()));
      expect(relayRefusalOf(await new RelayNode({ ...host, localAddress }).ask({}))).toBe('host-full');
      sockets.push(await new RelayNode(host).join(peerId, systemRuntime.newId()));

      const slow = await open({ limits: { requestsPerSecond: 1, requestBurst: 1 } });
      expect(relayRefusalOf(await new RelayNode(slow).ask({}, { header: 'x' }))).toBe('malformed');
      expect(relayRefusalOf(await new RelayNode(slow).ask({}))).toBe('too-often');

      const forgetful = await open({ limits: { tokens: 1 } });
      sockets.push(await new RelayNode(forgetful).join(peerId, systemRuntime.newId()));
      expect(relayRefusalOf(await new RelayNode(forgetful).ask({}))).toBe('server-full');
    });

    it('whoever does not ask for the upgrade', async () => {
      const where = await open();
      const answer = await fetch(`http://${where.host}:${where.port}/relay`);
      expect([answer.status, answer.headers.get('upgrade')]).toEqual([426, 'rxp2p-relay/1']);
      expect((await askUpgrade(where, { upgrade: 'websocket' })).status).toBe(426);
    });

    it('options that are none', async () => {
      const wrong: readonly RelayServerConfig[] = [
        { limits: { sessions: 0 } },
        { limits: { idleMs: 2 ** 31 } },
        { limits: { unpairedMs: 2 ** 31 } },
        { hosts: [] },
      ];
      for (const config of wrong) expect(await failureOf(relayServer$(config))).toBeInstanceOf(InvalidOptionError);
      const { port } = await open();
      expect(await failureOf(relayServer$({ bind: '127.0.0.1', port }))).toBeInstanceOf(ListenError);
    });
  });

  describe('whatever somebody sends', () => {
    it('closes that connection and no other', async () => {
      const { counters$, ...where } = await open();
      const [here, there] = await pairAt(where);
      const waiting = await new RelayNode(where).join(createIdentity().peerId, systemRuntime.newId());
      sockets.push(waiting);
      const host = `${where.host}:${where.port}`;
      const request = `GET /relay HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: rxp2p-relay/1\r\n`;
      for (const garbage of [
        randomBytes(4096),
        Buffer.from(`${request}\r\n${'x'.repeat(100_000)}`),
        Buffer.from(`${request}rxp2p-relay: ${'A'.repeat(100_000)}\r\n\r\n`),
        Buffer.from(`${request}rxp2p-relay: a\r\nrxp2p-relay: b\r\n\r\n`),
        Buffer.from(request.replace('GET', 'POST') + 'Content-Length: 5\r\n\r\nhello'),
      ]) {
        const socket = connect(where);
        sockets.push(socket);
        socket.write(garbage);
        await closing(socket);
      }
      here.write('still');
      expect(await bytesOf(there, 5)).toBe('still');
      const { sessions, waiting: waits, joined: pairs } = await firstValueFrom(counters$);
      expect([sessions, waits, pairs]).toEqual([1, 1, 1]);
    });
  });

  describe('ends a session', () => {
    it('on which nothing moves', async () => {
      const { counters$, ...where } = await open({ limits: { idleMs: 40 } });
      const pair = await pairAt(where);
      await Promise.all(pair.map(closing));
      const { cut } = await until(counters$, ({ sessions }) => sessions === 0);
      expect(cut).toEqual({ unpaired: 0, idle: 1, bytes: 0, unread: 0, gaveWay: 0 });
    });

    it('for which too much waits at the address of a node that does not read', async () => {
      const { counters$, ...where } = await open({ limits: { unreadBytesPerHost: 100_000, bufferedBytes: 1_000_000 } });
      const [here, there] = await pairAt(where);
      // More than the kernel has room for.
      here.write(Buffer.alloc(32 * 1024 * 1024));
      const { cut } = await until(counters$, ({ sessions }) => sessions === 0);
      expect(cut.unread).toBe(1);
      await Promise.all([here, there].map(closing));
    });

    it('that has passed its bytes', async () => {
      const { counters$, ...where } = await open({ limits: { bytesPerSession: 1000 } });
      const [here, there] = await pairAt(where);
      here.write(Buffer.alloc(600));
      await bytesOf(there, 600);
      there.write(Buffer.alloc(400));
      await bytesOf(here, 400);
      here.write('x');
      await Promise.all([here, there].map(closing));
      const { cut, bytes } = await until(counters$, ({ sessions }) => sessions === 0);
      expect([cut.bytes, bytes]).toEqual([1, 1000]);
    });
  });

  it('counts what it does, for those who run it', async () => {
    const { counters$, ...where } = await open({ limits: { idleMs: 60_000 } });
    const seen = lab.collect(counters$.pipe(map(({ sessions, waiting, joined: pairs }) => [sessions, waiting, pairs])));
    const [alice, bob] = nodesAt(where);
    await alice.ask({}, { signer: bob.identity });
    const token = systemRuntime.newId();
    const here = await alice.join(bob.peerId, token);
    const there = await bob.join(alice.peerId, token);
    here.end('12345');
    there.end('678');
    await Promise.all([allOf(here), allOf(there)]);
    const last = await until(counters$, ({ sessions, joined: pairs }) => pairs === 1 && sessions === 0);
    expect(seen).toEqual([
      [0, 0, 0],
      [0, 0, 0],
      [0, 1, 0],
      [1, 0, 1],
      [0, 0, 1],
    ]);
    expect(last).toEqual({
      sessions: 0,
      waiting: 0,
      joined: 1,
      bytes: 8,
      refused: { signature: 1 },
      cut: { unpaired: 0, idle: 0, bytes: 0, unread: 0, gaveWay: 0 },
    });
  });

  it('tells of bytes while a session goes on', async () => {
    const { counters$, ...where } = await open({ limits: { idleMs: 3_000 } });
    const [here, there] = await pairAt(where);
    here.write('12345');
    await bytesOf(there, 5);
    const { sessions } = await until(counters$, ({ bytes }) => bytes === 5);
    expect(sessions).toBe(1);
  });

  it('leaves nothing open when it is stopped', async () => {
    const { counters$, stop, ...where } = await open();
    const counters = lab.collect(counters$);
    const pair = await pairAt(where);
    const waiting = await new RelayNode(where).join(createIdentity().peerId, systemRuntime.newId());
    waiting.write('for nobody');
    const all = [...pair, waiting].map(closing);
    stop();
    await Promise.all(all);
    expect(counters.at(-1)?.sessions).toBe(1);
    expect(await once(connect(where), 'error')).toEqual([jasmine.objectContaining({ code: 'ECONNREFUSED' })]);
  });

  describe('among all servers', () => {
    async function serveWith(config: Parameters<typeof serve$>[0]) {
      const serving$ = serve$({ bind: '127.0.0.1', port: 0, httpPort: 0, ...config });
      return new Promise<{ readonly where: Where; readonly relayCounters$: Observable<RelayCounters> }>(
        (resolve, reject) => {
          lab.use(
            serving$.subscribe({
              next: ({ endpoints, relayCounters$ }) => {
                const local = endpoints.find(({ name }) => name === 'http')?.local;
                resolve({ where: { host: '127.0.0.1', port: local?.port ?? 0 }, relayCounters$ });
              },
              error: reject,
            }),
          );
        },
      );
    }

    it('is there, on the port of the HTTP services', async () => {
      const { where, relayCounters$ } = await serveWith({ relayLimits: { sessions: 1 } });
      await pairAt(where);
      expect((await firstValueFrom(relayCounters$)).sessions).toBe(1);
      expect(relayRefusalOf(await new RelayNode(where).ask({}))).toBe('server-full');
    });

    it('is not there when it is not wanted', async () => {
      const { where, relayCounters$ } = await serveWith({ relay: false });
      expect((await new RelayNode(where).ask({})).status).toBe(404);
      const counters = lab.collect(relayCounters$);
      expect(counters).toEqual([]);
      expect(await failureOf(serve$({ relay: false, relayLimits: {} }))).toBeInstanceOf(InvalidOptionError);
    });
  });
});
