import { once } from 'node:events';
import { filter, firstValueFrom } from 'rxjs';
import { httpServer$, type HttpServer, type HttpServerLimits } from '../servers/http.js';
import { Flood } from './support/flood.js';
import { LineClient } from './support/line-client.js';
import { Lab, newAddress } from './support/nodes.js';
import { endpointOf } from './support/raw-peer.js';
import { bytesOf } from './support/relay.js';

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

  it('to a rendezvous server whose connections two addresses have taken, and one of theirs is told why it has to leave', async () => {
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

  it('to a rendezvous server while those who are turned away do not leave', async () => {
    const server = await lab.server({ limits: { connections: 4, connectionsPerHost: 2 } });
    const [one, other] = [newAddress(), newAddress()];
    await flood.from(server.local, 40, one);
    await flood.from(server.local, 40, other);
    for (let count = 0; count < 2; count++) {
      const honest = new LineClient(await flood.open(server.local));
      expect(await honest.ask('SOURCE TCP')).toMatch(/^REMOTE/);
    }
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
