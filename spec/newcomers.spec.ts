import { once } from 'node:events';
import type { Socket } from 'node:net';
import { filter, firstValueFrom, map, take, toArray } from 'rxjs';
import type { Connection, Net, NetConfig } from '../lib/index.js';
import { NO_NONCE } from '../lib/pyp2p/plain-wire.js';
import { systemRuntime } from '../lib/runtime.js';
import type { HttpServerLimits } from '../servers/http/limits.js';
import { httpServer$, type HttpServer } from '../servers/http/server.js';
import { relayServer$, type RelayServer } from '../servers/relay/server.js';
import { memoryStore } from '../servers/store/memory.js';
import { Flood } from './support/flood.js';
import { LineClient } from './support/line-client.js';
import { Lab, newAddress } from './support/nodes.js';
import { endpointOf } from './support/raw-peer.js';
import { bytesOf, closing, joined, RelayNode } from './support/relay.js';

describe('An honest newcomer gets in', () => {
  const lab = new Lab();
  const flood = new Flood();
  afterEach(async () => {
    flood.close();
    await lab.close();
  });

  it('to a node whose room for unproven connections is full of silent ones from four addresses', async () => {
    const net = lab.net({ limits: { pendingInbound: 16 } });
    const target = await endpointOf(net);
    const gaveWay = firstValueFrom(net.trace$.pipe(filter((step) => step.type === 'inbound-failed')));
    const attackers = [newAddress(), newAddress(), newAddress(), newAddress()];
    const silent = (await Promise.all(attackers.map((address) => flood.from(target, 4, address)))).flat();
    const closed = Promise.race(silent.map((socket) => once(socket.resume(), 'close')));
    const unl = await firstValueFrom(net.unl$);
    for (let count = 0; count < 3; count++) {
      const connection = await firstValueFrom(lab.net().connect$(unl));
      expect(connection.peerId).toBe(net.peerId);
    }
    await closed;
    const { remote, reason } = await gaveWay;
    expect(attackers).toContain(remote.address);
    expect(reason).toMatch(/^it gave way to a newcomer/);
  });

  describe('to a node whose inbound slots are full of connections from two addresses', () => {
    const slots = { inbound: 16 };

    const inboundOf = (net: Net) => net.status$.pipe(map(({ slots: { inbound } }) => inbound.used));

    /** Connects one node after the other from an address; they are as the node itself has them. */
    async function crowd(net: Net, address: string, count: number): Promise<readonly Connection[]> {
      const unl = await firstValueFrom(net.unl$);
      const connections: Connection[] = [];
      for (let made = 0; made < count; made++) {
        const peer = lab.net({ bind: address });
        const arrived = firstValueFrom(net.connections$.pipe(filter(({ peerId }) => peerId === peer.peerId)));
        await firstValueFrom(peer.connect$(unl));
        connections.push(await arrived);
      }
      return connections;
    }

    it('and the newest of them ends, with the reason, but none that the application has sent something on', async () => {
      const net = lab.net({ slots });
      const [one, other] = [await crowd(net, newAddress(), 8), await crowd(net, newAddress(), 8)];
      const kept = [...one, other.at(-1)].filter((connection) => connection !== undefined);
      for (const connection of kept) connection.send('welcome');
      const closed = lab.collect(net.trace$.pipe(filter((step) => step.type === 'connection-closed')));

      const friend = lab.net();
      const arrived = firstValueFrom(net.connections$.pipe(filter(({ peerId }) => peerId === friend.peerId)));
      const connection = await firstValueFrom(friend.connect$(await firstValueFrom(net.unl$)));
      const heard = firstValueFrom(connection.lines$);
      (await arrived).send('hello');
      expect(await heard).toBe('hello');

      expect(closed.map(({ peerId, reason }) => [peerId, reason])).toEqual([
        [
          other.at(-2)?.peerId ?? '',
          {
            code: 'refused',
            by: 'us',
            message: 'all inbound slots are taken, and most of them from this address: it gave way to a newcomer',
          },
        ],
      ]);
      expect(await firstValueFrom(inboundOf(net))).toBe(16);
    });

    const plain: [string, NetConfig][] = [
      ['of a plain net in direct mode', { mode: 'direct', security: 'plain' }],
      ['of a plain net in p2p mode', { mode: 'p2p', security: 'plain' }],
    ];
    for (const [where, config] of plain) {
      it(where, async () => {
        const net = lab.net({ ...config, slots });
        const target = await endpointOf(net);
        const hello = config.mode === 'p2p' ? '' : NO_NONCE;
        const isFull = firstValueFrom(net.connections$.pipe(take(16), toArray()));
        const sockets = [...(await flood.from(target, 8)), ...(await flood.from(target, 8))];
        for (const socket of sockets) socket.resume().write(hello);
        await isFull;
        const left = Promise.race(sockets.map((socket) => once(socket, 'close')));
        const friend = newAddress();
        const arrived = firstValueFrom(
          net.connections$.pipe(filter(({ peerId }) => peerId.startsWith(`plain:${friend}:`))),
        );
        (await flood.open(target, friend)).write(hello);
        await arrived;
        await left;
        expect(await firstValueFrom(inboundOf(net))).toBe(16);
      });
    }
  });

  it('to a rendezvous server whose connections two addresses have taken, and the evicted one is told why', async () => {
    const server = await lab.server({ limits: { connections: 8, connectionsPerHost: 4 } });
    const isFull = firstValueFrom(server.connections$.pipe(filter((count) => count === 8)));
    const sockets = [...(await flood.from(server.local, 4)), ...(await flood.from(server.local, 4))];
    await isFull;
    const told = Promise.race(sockets.map((socket) => new LineClient(socket).heard()));
    const honest = new LineClient(await flood.open(server.local));
    expect(await honest.ask('SOURCE TCP')).toMatch(/^REMOTE/);
    expect(await told).toMatch(/^REFUSED too-many-connections /);
    expect(await firstValueFrom(server.connections$)).toBe(8);
  });

  it('to a rendezvous server while refused clients stay connected', async () => {
    const server = await lab.server({ limits: { connections: 4, connectionsPerHost: 2 } });
    const [one, other] = [newAddress(), newAddress()];
    await flood.from(server.local, 40, one);
    await flood.from(server.local, 40, other);
    for (let count = 0; count < 2; count++) {
      const honest = new LineClient(await flood.open(server.local));
      expect(await honest.ask('SOURCE TCP')).toMatch(/^REMOTE/);
    }
  });

  describe('to a table of a rendezvous server', () => {
    it('that one address has filled, in the place of the newest from there', async () => {
      const store = memoryStore({ maxEntries: 4, now: Date.now, random: Math.random });
      const server = await lab.server({ store });
      const [stranger, friend] = [newAddress(), newAddress()];
      const full = new LineClient(await flood.open(server.local, stranger));
      for (const port of [1, 2, 3, 4]) full.say(`PASSIVE READY ${port} 10`);
      await full.ask('SOURCE TCP');
      const honest = new LineClient(await flood.open(server.local, friend));
      honest.say('PASSIVE READY 5000 10');
      expect(await honest.ask('SOURCE TCP')).toMatch(/^REMOTE/);
      expect(await store.get('passive', `${friend} 5000`)).toBe('10');
      const kept = await store.list('passive', stranger);
      expect(kept.map(([key]) => key)).toEqual([1, 2, 3].map((port) => `${stranger} ${port}`));
    });

    it('whose candidates for one node all come from one site, and the evicted one is told', async () => {
      const store = memoryStore({ maxEntries: 1_000, now: Date.now, random: Math.random });
      const server = await lab.server({ store });
      const node = new LineClient(await flood.open(server.local));
      node.say('SIMULTANEOUS READY 44444 10');
      await node.ask('SOURCE TCP');
      const nodeAddress = node.socket.localAddress ?? '';
      for (let count = 0; count < 100; count++) {
        const value = JSON.stringify({ ports: [5000], isTold: true });
        await store.put('candidates', `${nodeAddress} 2001:db8:1::${count.toString(16)}`, value, 60_000);
      }
      const told = new Promise<string>((resolve) => {
        void store.listen(`candidate:${nodeAddress} 2001:db8:1::63`, { heard: resolve, unheard: fail });
      });
      const honest = new LineClient(await flood.open(server.local));
      expect(await honest.ask(`CANDIDATE ${nodeAddress} TCP 5000`)).toBe('PREDICTION SET');
      expect(await told).toMatch(/^REFUSED table-full a candidate gave way/);
      expect((await store.list('candidates', nodeAddress)).length).toBe(100);
    });
  });

  describe('to a relay whose sessions are all taken', () => {
    async function open(sessions: number): Promise<RelayServer> {
      return new Promise((resolve, reject) => {
        const config = { bind: '127.0.0.1', port: 0, limits: { sessions } };
        lab.use(relayServer$(config).subscribe({ next: resolve, error: reject }));
      });
    }

    function nodeAt({ local }: RelayServer, localAddress = newAddress()): RelayNode {
      return new RelayNode({ host: local.address, port: local.port, localAddress });
    }

    /** A node that waits for one that does not come. */
    async function waiting(relay: RelayServer, address: string): Promise<Socket> {
      const socket = await nodeAt(relay, address).join(nodeAt(relay).peerId, systemRuntime.newId());
      socket.on('error', () => undefined);
      lab.onClose(() => socket.destroy());
      return socket;
    }

    async function pairOf(one: RelayNode, other: RelayNode): Promise<readonly [Socket, Socket]> {
      const sockets = await joined(one, other);
      for (const socket of sockets) socket.on('error', () => undefined);
      lab.onClose(() => {
        for (const socket of sockets) socket.destroy();
      });
      return sockets;
    }

    it('by nodes that wait at one address: the newest of them leaves, and the counters tell why', async () => {
      const relay = await open(4);
      const stranger = newAddress();
      const first = await pairOf(nodeAt(relay), nodeAt(relay));
      const silent: Socket[] = [];
      for (let count = 0; count < 3; count++) silent.push(await waiting(relay, stranger));
      const [newest] = silent.slice(-1);
      const left = newest === undefined ? Promise.reject(new Error('nobody waits')) : closing(newest);
      const [here, there] = await pairOf(nodeAt(relay), nodeAt(relay));
      here.write('hello');
      expect(await bytesOf(there, 5)).toBe('hello');
      await left;
      first[0].write('still here');
      expect(await bytesOf(first[1], 10)).toBe('still here');
      const { sessions, waiting: waits, cut } = await firstValueFrom(relay.counters$);
      expect([sessions, waits]).toEqual([2, 2]);
      expect(cut).toEqual({ unpaired: 0, idle: 0, bytes: 0, unread: 0, gaveWay: 1 });
    });

    it('by pairs of which one node is at an address that has most, wherever the other is', async () => {
      const relay = await open(3);
      const stranger = newAddress();
      await waiting(relay, stranger);
      const pairs: (readonly [Socket, Socket])[] = [];
      for (let count = 0; count < 2; count++) pairs.push(await pairOf(nodeAt(relay), nodeAt(relay, stranger)));
      const [, newest = []] = pairs;
      const left = Promise.all(newest.map(closing));
      const [here, there] = await pairOf(nodeAt(relay), nodeAt(relay));
      here.write('hello');
      expect(await bytesOf(there, 5)).toBe('hello');
      await left;
      const { sessions, waiting: waits, cut } = await firstValueFrom(relay.counters$);
      expect([sessions, waits, cut.gaveWay]).toEqual([2, 1, 1]);
    });
  });

  describe('to an HTTP server', () => {
    async function open(limits: Partial<HttpServerLimits>): Promise<HttpServer['local']> {
      return new Promise((resolve, reject) => {
        lab.use(
          httpServer$({ bind: '127.0.0.1', port: 0, limits, services: [] }).subscribe({
            next: ({ local }) => {
              resolve(local);
            },
            error: reject,
          }),
        );
      });
    }

    it('whose connections two addresses have taken', async () => {
      const local = await open({ connections: 8, connectionsPerHost: 4 });
      await flood.from(local, 4);
      await flood.from(local, 4);
      const honest = await flood.open(local);
      honest.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
      expect(await bytesOf(honest, 12)).toBe('HTTP/1.1 404');
    });
  });
});
