import { once } from 'node:events';
import { createServer as createHttpServer, request } from 'node:http';
import { connect, createServer, Socket, type Server } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { READ_BYTES, ReusedBuffer } from '../../../servers/relay/reused-buffer.js';
import { addressOf, Lab } from '../../support/nodes.js';
import { bytesOf } from '../../support/relay.js';
import { webCertificate } from '../../support/web-certificate.js';

describe('A buffer that sockets read into', () => {
  const lab = new Lab();
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await lab.close();
  });

  async function portOf(server: Server): Promise<number> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    return addressOf(server).port;
  }

  /** A connection: the client's end, and the one that a server has accepted, paused. */
  async function connection(): Promise<readonly [Socket, Socket]> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    const accepting = new Promise<Socket>((resolve) => {
      server.once('connection', resolve);
    });
    const outside = connect({ port: await portOf(server), host: '127.0.0.1' });
    const pair = [outside, await accepting] as const;
    sockets.push(...pair);
    for (const socket of pair) socket.on('error', () => undefined);
    return pair;
  }

  /** What comes into the buffer, until there is so much of it. */
  function reading(buffer: ReusedBuffer, socket: Socket, count: number) {
    const buffers = new Set<Buffer>();
    let text = '';
    let isUsed = false;
    const all = new Promise<string>((resolve) => {
      isUsed = buffer.readFrom(socket, (bytes, length) => {
        buffers.add(bytes);
        text += bytes.toString('latin1', 0, length);
        if (text.length >= count) resolve(text);
      });
    });
    return { isUsed, buffers, all };
  }

  it('is used by sockets that a server of this platform has accepted', async () => {
    const buffer = new ReusedBuffer();
    const [[here, a], [there, b]] = [await connection(), await connection()];
    const [one, other] = [reading(buffer, a, 10), reading(buffer, b, 100_000)];
    expect([one.isUsed, other.isUsed])
      .withContext('this Node keeps what onread says in another way: relays pass fewer bytes a second with it')
      .toEqual([true, true]);
    a.resume();
    b.resume();
    here.write('0123456789');
    there.write('x'.repeat(100_000));
    expect(await one.all).toBe('0123456789');
    expect(await other.all).toBe('x'.repeat(100_000));
    expect(new Set([...one.buffers, ...other.buffers]).size).toBe(1);
    expect([...one.buffers][0]?.length).toBe(READ_BYTES);
  });

  it('is not used on other platforms, of which it is not known when they fill it', async () => {
    const [, socket] = await connection();
    for (const platform of ['deno', 'bun']) {
      const buffer = new ReusedBuffer({ ...process.versions, [platform]: '2.0.0' });
      expect(reading(buffer, socket, 1).isUsed)
        .withContext(platform)
        .toBeFalse();
    }
  });

  it('comes after what the socket has read before, and before its end', async () => {
    const [here, socket] = await connection();
    const seen: string[] = [];
    socket.unshift('before ');
    socket.on('data', (bytes: Buffer) => seen.push(bytes.toString()));
    new ReusedBuffer().readFrom(socket, (bytes, length) => seen.push(bytes.toString('latin1', 0, length)));
    here.end('then');
    socket.resume();
    await once(socket, 'end');
    expect(seen).toEqual(['before ', 'then']);
  });

  it('is used by a socket on which HTTP was spoken', async () => {
    const server = createHttpServer();
    const upgrading = new Promise<Socket>((resolve) => {
      server.once('upgrade', (_, socket) => {
        if (socket instanceof Socket) resolve(socket);
      });
    });
    const asking = request({
      host: '127.0.0.1',
      port: await portOf(server),
      headers: { connection: 'Upgrade', upgrade: 'x' },
    }).end();
    asking.on('error', () => undefined);
    const socket = await upgrading;
    sockets.push(socket.on('error', () => undefined));
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    const client = await new Promise<Socket>((resolve) => {
      asking.once('upgrade', (_, upgraded) => {
        resolve(upgraded);
      });
    });
    sockets.push(client.on('error', () => undefined));
    const { isUsed, all } = reading(new ReusedBuffer(), socket, 5);
    expect(isUsed).toBeTrue();
    socket.resume();
    client.write('hello');
    expect(await all).toBe('hello');
  });

  it('is not used by a TLS socket, which reads as ever', async () => {
    const server = createTlsServer(webCertificate('127.0.0.1'));
    const accepting = new Promise<Socket>((resolve) => {
      server.once('secureConnection', resolve);
    });
    const client = connectTls({ port: await portOf(server), host: '127.0.0.1', rejectUnauthorized: false });
    sockets.push(client.on('error', () => undefined));
    const socket = await accepting;
    sockets.push(socket.on('error', () => undefined));
    expect(reading(new ReusedBuffer(), socket, 1).isUsed).toBeFalse();
    client.write('hello');
    expect(await bytesOf(socket, 5)).toBe('hello');
  });
});
