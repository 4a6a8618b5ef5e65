import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { VirtualTimeScheduler } from 'rxjs';
import { peerIdOfCertificate } from '../../../lib/certificate.js';
import type { Endpoint } from '../../../lib/endpoint.js';
import { createIdentity } from '../../../lib/identity.js';
import { LINES_ALPN } from '../../../lib/rendezvous/messages.js';
import { LineClient } from '../../support/line-client.js';
import { Lab, newAddress } from '../../support/nodes.js';
import { proveLine } from '../../support/proof.js';

describe('A rendezvous server with a key of its own', () => {
  const lab = new Lab();
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await lab.close();
  });

  async function secured({ address, port }: Endpoint, localAddress?: string): Promise<TLSSocket> {
    const raw = connect({ host: address, port, ...(localAddress !== undefined && { localAddress }) });
    const socket = connectTls({
      socket: raw,
      rejectUnauthorized: false,
      ALPNProtocols: [LINES_ALPN],
      minVersion: 'TLSv1.3',
    });
    sockets.push(raw, socket);
    await once(socket, 'secureConnect');
    return socket;
  }

  /** Connections that begin as TLS and do not go on. */
  function half({ address, port }: Endpoint, bytes: string, localAddress: string): Socket {
    const socket = connect({ host: address, port, localAddress });
    sockets.push(socket);
    socket.on('error', () => undefined).write(bytes, 'latin1');
    return socket.resume();
  }

  it('proves it by TLS, and has plain lines on the same port', async () => {
    const identity = createIdentity();
    const { local } = await lab.server({ identity });
    const socket = await secured(local);
    const certificate = socket.getPeerX509Certificate();
    expect(certificate && peerIdOfCertificate(certificate)).toBe(identity.peerId);
    expect([socket.alpnProtocol, socket.getProtocol()]).toEqual([LINES_ALPN, 'TLSv1.3']);
    const client = new LineClient(socket);
    const [, nonce = '', observed] = (await client.ask('HELLO 2')).split(' ');
    expect(observed).toMatch(/^127\.0\.0\.1:\d+$/);
    const elsewhere = { address: '198.51.100.7', port: 8_000 };
    client.say(proveLine(client, createIdentity(), nonce, { server: identity.peerId, at: elsewhere }));
    expect(await client.heard()).toMatch(/^WELCOME/);
    const plain = await LineClient.to(local);
    expect(await plain.ask('SOURCE TCP')).toBe(`REMOTE TCP ${plain.socket.localPort ?? 0}`);
  });

  it('refuses what was meant for another key', async () => {
    const { local } = await lab.server({ identity: createIdentity() });
    const client = new LineClient(await secured(local));
    const [, nonce = ''] = (await client.ask('HELLO 2')).split(' ');
    const elsewhere = { address: '198.51.100.7', port: 8_000 };
    const other = createIdentity().peerId;
    client.say(proveLine(client, createIdentity(), nonce, { server: other, at: elsewhere }));
    expect(await client.heard()).toMatch(/^REFUSED wrong-server /);
  });

  it('serves others while one address has many handshakes, or silent connections, that do not go on', async () => {
    const { local } = await lab.server({ identity: createIdentity() });
    const from = newAddress();
    for (const bytes of ['\x16\x03\x01\x02', '']) {
      const many = Array.from({ length: 80 }, () => half(local, bytes, from));
      await Promise.any(many.map((socket) => once(socket, 'close')));
      const client = new LineClient(await secured(local, newAddress()));
      expect(await client.ask('PING')).toBe('PONG');
      expect(await (await LineClient.to(local, newAddress())).ask('PING')).toBe('PONG');
      expect(many.filter((socket) => !socket.destroyed).length).toBeGreaterThanOrEqual(60);
      for (const socket of many) socket.destroy();
    }
  });

  it('hangs up on who says nothing for too long', async () => {
    const scheduler = new VirtualTimeScheduler();
    const { local } = await lab.server({ identity: createIdentity(), limits: { idleMs: 5_000 } }, { scheduler });
    const arrivals = new Promise<void>((resolve) => {
      const socket = half(local, '', newAddress());
      socket.once('close', () => {
        resolve();
      });
      socket.once('connect', () => {
        // The server takes it in before it takes in the next.
        void LineClient.to(local, newAddress()).then(async (client) => {
          await client.ask('PING');
          scheduler.flush();
        });
      });
    });
    await arrivals;
    expect(scheduler.now()).toBeGreaterThanOrEqual(5_000);
  });
});
