import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Subject } from 'rxjs';
import { WebSocket } from 'ws';
import type { Endpoint } from '../../../lib/endpoint.js';
import { createIdentity } from '../../../lib/identity.js';
import { formatRequest, proofOf, REQUEST_MAX_BYTES, WEB_SOCKET_PROTOCOL } from '../../../lib/rendezvous/messages.js';
import { temporaryFolder } from '../../support/folder.js';
import { LineClient } from '../../support/line-client.js';
import { Lab, newAddress } from '../../support/nodes.js';
import { proveLine } from '../../support/proof.js';
import { needsProgram, Proxies } from '../../support/proxies.js';
import { serveAll } from '../../support/servers.js';
import { putCertificate, webCertificate } from '../../support/web-certificate.js';
import { WebSocketClient } from '../../support/web-socket-client.js';
import { freeEndpoint } from '../../support/free-port.js';

const urlOf = ({ address, port }: Endpoint, path = '/rendezvous') => `ws://${address}:${port}${path}`;

/** The line by which a client proves a key to the server that it has dialled by a name. */
function proof(server: string, nonce: string, at: Endpoint, identity = createIdentity()): string {
  const dialled = { server, at };
  const signature = identity.sign(proofOf(nonce, identity.peerId, dialled));
  return formatRequest({ verb: 'PROVE', peerId: identity.peerId, ...dialled, signature });
}

/** The next bytes of a socket. */
function chunkOf(socket: Socket): Promise<Buffer> {
  return new Promise((resolve) => socket.once('data', resolve));
}

/** A text frame of a client (RFC 6455 §5.2). */
function frame(payload: Buffer, { opcode = 1, isMasked = true, fin = true } = {}): Buffer {
  const mask = randomBytes(4);
  const length = payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 0xff];
  length[0] = (length[0] ?? 0) | (isMasked ? 0x80 : 0);
  const head = Buffer.from([(fin ? 0x80 : 0) | opcode, ...length]);
  if (!isMasked) return Buffer.concat([head, payload]);
  const masked = Buffer.from(payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0)));
  return Buffer.concat([head, mask, masked]);
}

describe('A rendezvous server by WebSocket', () => {
  const lab = new Lab();
  const proxies = new Proxies();
  const file = temporaryFolder();
  const clients: WebSocketClient[] = [];
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const { webSocket } of clients.splice(0)) webSocket.terminate();
    for (const socket of sockets.splice(0)) socket.destroy();
    await proxies.close();
    await lab.close();
  });

  async function open(...args: Parameters<typeof WebSocketClient.to>): Promise<WebSocketClient> {
    const client = await WebSocketClient.to(...args);
    clients.push(client);
    return client;
  }

  /** A socket on which a WebSocket is open, to send any bytes. */
  function raw({ address, port }: Endpoint): Socket {
    const socket = connect({ host: address, port });
    sockets.push(socket);
    socket.on('error', () => undefined);
    const asked = [
      'GET /rendezvous HTTP/1.1',
      'Host: h',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      `Sec-WebSocket-Protocol: ${WEB_SOCKET_PROTOCOL}`,
    ];
    socket.write([...asked, '', ''].join('\r\n'));
    return socket;
  }

  /** Waits until the server has hung up, and returns the code of its close frame. */
  async function closing(socket: Socket): Promise<number | undefined> {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(socket, 'close');
    const bytes = Buffer.concat(chunks);
    const at = bytes.indexOf('\r\n\r\n') + 4;
    for (let next = at; next < bytes.length;) {
      const length = (bytes[next + 1] ?? 0) & 0x7f;
      if (((bytes[next] ?? 0) & 0xf) === 8) return bytes.readUInt16BE(next + 2);
      next += 2 + length;
    }
    return undefined;
  }

  /** An honest client is served. */
  async function expectServed({ http }: { readonly http: Endpoint }): Promise<void> {
    const client = await open(urlOf(http), { localAddress: newAddress() });
    expect(await client.ask('PING')).toBe('PONG');
  }

  it('has the sessions that it has by TCP, and passes on messages between them', async () => {
    const { http, rendezvous } = await serveAll(lab);
    const [alice, bob] = [createIdentity(), createIdentity()];
    const client = await open(urlOf(http));
    const [, nonce = '', observed] = (await client.ask('HELLO 2')).split(' ');
    expect(observed).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(await client.ask(proof(`127.0.0.1:${http.port}`, nonce, http, alice))).toMatch(
      new RegExp(`^WELCOME HTTP ${http.port} ID `),
    );
    const other = await LineClient.to(rendezvous);
    const [, otherNonce = ''] = (await other.ask('HELLO 2')).split(' ');
    expect(await other.ask(proveLine(other, bob, otherNonce))).toMatch(/^WELCOME/);
    expect(await client.ask(`SEND 1 ${bob.peerId} AAAA`)).toBe('SENT 1');
    expect(await other.heard()).toBe(`MESSAGE ${alice.peerId} AAAA 127.0.0.1`);
    expect(await other.ask(`SEND 2 ${alice.peerId} BBBB`)).toBe('SENT 2');
    expect(await client.heard()).toBe(`MESSAGE ${bob.peerId} BBBB 127.0.0.1`);
  });

  it('is known by its names, with any port of a URL, and refuses what was meant for another', async () => {
    const { http } = await serveAll(lab, { hosts: ['rv.example.org'] });
    const elsewhere = { address: '198.51.100.7', port: 443 };
    const prove = async (server: string) => {
      const client = await open(urlOf(http));
      const [, nonce = ''] = (await client.ask('HELLO 2')).split(' ');
      return (await client.ask(proof(server, nonce, elsewhere))).split(' ', 2).join(' ');
    };
    expect(await prove('rv.example.org:443')).toBe('WELCOME HTTP');
    expect(await prove('evil.example.org:443')).toBe('REFUSED wrong-server');
  });

  it('is below any path, and asks for its sub-protocol', async () => {
    const { http } = await serveAll(lab);
    const client = await open(urlOf(http, '/some/where/rendezvous'));
    expect(client.webSocket.protocol).toBe(WEB_SOCKET_PROTOCOL);
    for (const [path, protocols] of [
      ['/rendezvous', []],
      ['/rendezvous', ['other']],
      ['/elsewhere', [WEB_SOCKET_PROTOCOL]],
    ] as const) {
      const refused = new WebSocket(urlOf(http, path), [...protocols]);
      const error = await new Promise<Error>((resolve) => refused.once('error', resolve));
      expect(error.message).toMatch(/Unexpected server response: 40[04]/);
    }
  });

  it('does not speak with a page of another site, which would have its reader’s address', async () => {
    const { http } = await serveAll(lab);
    for (const origin of ['https://evil.example', `http://${http.address}:1`, 'null']) {
      const refused = new WebSocket(urlOf(http), [WEB_SOCKET_PROTOCOL], { origin });
      const error = await new Promise<Error>((resolve) => refused.once('error', resolve));
      expect(error.message).toBe('Unexpected server response: 403');
    }
    const own = await open(urlOf(http), { origin: `http://${http.address}:${http.port}` });
    expect(await own.ask('PING')).toBe('PONG');
  });

  it('takes several frames for one line, and a line whole', async () => {
    const { http } = await serveAll(lab);
    const socket = raw(http);
    socket.write(
      Buffer.concat([
        frame(Buffer.from('PI'), { fin: false }),
        frame(Buffer.from(''), { opcode: 9 }),
        frame(Buffer.from('NG'), { opcode: 0 }),
      ]),
    );
    for (let heard = ''; !heard.includes('PONG');) {
      heard += (await chunkOf(socket)).toString('latin1');
    }
    const client = await open(urlOf(http));
    expect(await client.ask('PING\nPING')).toMatch(/^REFUSED malformed /);
    expect(await client.closed).toBe(1000);
  });

  it('answers lines in their order, also those that come while one is being answered', async () => {
    const { http } = await serveAll(lab);
    const client = await open(urlOf(http));
    client.say(...Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? 'BOOTSTRAP 1' : 'PING')));
    for (let index = 0; index < 50; index++) {
      expect(await client.heard()).toBe(index % 2 === 0 ? 'NODES EMPTY' : 'PONG');
    }
  });

  it('closes what is no text, no UTF-8, too long, or not masked, and serves others', async () => {
    const servers = await serveAll(lab);
    const binary = await open(urlOf(servers.http));
    binary.webSocket.send(Buffer.from('PING'), { binary: true });
    expect(await binary.heard()).toMatch(/^REFUSED malformed /);
    const sent: readonly (readonly [Buffer, number])[] = [
      [frame(Buffer.from([0xff, 0xfe])), 1007],
      [frame(Buffer.alloc(REQUEST_MAX_BYTES + 1, 'x')), 1009],
      [frame(Buffer.from('PING'), { isMasked: false }), 1002],
      [Buffer.from([0x81, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff]), 1009],
      [frame(Buffer.from('x'), { opcode: 3 }), 1002],
      [
        Buffer.concat([
          frame(Buffer.from('x'), { fin: false }),
          ...Array.from({ length: 100 }, () => frame(Buffer.from('x'), { opcode: 0, fin: false })),
        ]),
        1008,
      ],
    ];
    for (const [bytes, code] of sent) {
      const socket = raw(servers.http);
      socket.write(bytes);
      expect(await closing(socket)).toBe(code);
    }
    await expectServed(servers);
  });

  it('drops a client that floods it with pings or pongs, and answers a few', async () => {
    const servers = await serveAll(lab);
    const client = await open(urlOf(servers.http));
    client.webSocket.ping('x');
    await once(client.webSocket, 'pong');
    for (const opcode of [9, 10]) {
      const socket = raw(servers.http);
      socket.write(Buffer.concat(Array.from({ length: 1_000 }, () => frame(Buffer.from('x'), { opcode }))));
      await closing(socket);
      expect(socket.destroyed).toBe(true);
    }
    await expectServed(servers);
  });

  it('drops a client that it closes and that does not close, too', async () => {
    const { http } = await serveAll(lab);
    const socket = raw(http);
    await chunkOf(socket);
    socket.write(frame(Buffer.from('QUIT')));
    await once(socket.resume(), 'close');
    expect(socket.destroyed).toBeTrue();
    // The library itself would wait for 30 s.
  }, 20_000);

  it('does not wait for half a handshake', async () => {
    const servers = await serveAll(lab, { httpLimits: { requestMs: 1_500 } });
    const { address, port } = servers.http;
    const half = connect({ host: address, port });
    sockets.push(half);
    half.write('GET /rendezvous HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSoc');
    await once(half.resume(), 'close');
    const wrong = connect({ host: address, port });
    sockets.push(wrong);
    wrong.write(
      `GET /rendezvous HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: ${WEB_SOCKET_PROTOCOL}\r\n\r\n`,
    );
    expect((await chunkOf(wrong)).toString('latin1')).toMatch(/^HTTP\/1.1 400/);
    await expectServed(servers);
  });

  it('counts its clients by the limits of all', async () => {
    const { http, rendezvous } = await serveAll(lab, {
      limits: { connectionsPerHost: 1, linesPerSecond: 1, lineBurst: 5 },
    });
    const client = await open(urlOf(http));
    expect(await client.ask('PING')).toBe('PONG');
    const other = await LineClient.to(rendezvous);
    expect(await other.heard()).toMatch(/^REFUSED too-many-connections /);
    const third = await open(urlOf(http));
    expect(await third.heard()).toMatch(/^REFUSED too-many-connections /);
    client.say(...Array.from({ length: 5 }, () => 'PING'));
    const heard = [];
    for (let index = 0; index < 5; index++) heard.push((await client.heard()).split(' ', 2).join(' '));
    expect(heard).toEqual(['PONG', 'PONG', 'PONG', 'PONG', 'REFUSED too-many-lines']);
    expect(await client.closed).toBe(1000);
  });

  it('drops its clients when it is stopped', async () => {
    const { http, stop } = await serveAll(lab);
    const client = await open(urlOf(http));
    expect(await client.ask('PING')).toBe('PONG');
    stop();
    await client.closed;
    expect(client.webSocket.readyState).toBe(WebSocket.CLOSED);
  });

  it('tells its clients to go elsewhere when it is drained', async () => {
    const drain = new Subject<void>();
    const { http } = await serveAll(lab, { drain$: drain });
    const client = await open(urlOf(http));
    expect(await client.ask('PING')).toBe('PONG');
    drain.next();
    expect(await client.heard()).toMatch(/^REFUSED closing /);
    expect(await client.closed).toBe(1000);
  });

  it('is encrypted, with a certificate, and behind nginx that has one', async () => {
    needsProgram('nginx');
    const certificate = webCertificate('127.0.0.1');
    const files = putCertificate(file, certificate);
    const tls = files;
    const { http } = await serveAll(lab, { tls, trustProxy: ['127.0.0.1'], hosts: ['rv.example.org'] });
    const from = newAddress();
    const direct = await open(`wss://127.0.0.1:${http.port}/rendezvous`, { ca: certificate.cert, localAddress: from });
    expect(await direct.ask('HELLO 2')).toMatch(new RegExp(`^NONCE \\S+ ${from}:\\d+$`));
    const at = await freeEndpoint();
    await proxies.nginx(
      at,
      () => `server { listen 127.0.0.1:${at.port} ssl; ssl_certificate ${files.certFile}; ssl_certificate_key ${files.keyFile};
        location /rxp2p/ { proxy_pass http://127.0.0.1:${http.port}/; proxy_http_version 1.1; proxy_set_header Host $host;
          proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; } }`,
    );
    const client = await open(`wss://127.0.0.1:${at.port}/rxp2p/rendezvous`, {
      ca: certificate.cert,
      localAddress: from,
    });
    const [verb, nonce = '', observed] = (await client.ask('HELLO 2')).split(' ');
    expect([verb, observed]).toEqual(['NONCE', from]);
    expect(await client.ask(proof('rv.example.org:443', nonce, at))).toMatch(/^WELCOME/);
    expect(await client.ask('SOURCE TCP')).toMatch(/^REFUSED unseen /);
  });
});
