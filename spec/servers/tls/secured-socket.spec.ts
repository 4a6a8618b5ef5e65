import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext } from 'node:tls';
import { asyncScheduler } from 'rxjs';
import { createIdentity, type Identity } from '../../../lib/identity.js';
import type { Endpoint } from '../../../lib/endpoint.js';
import { systemRuntime } from '../../../lib/runtime.js';
import { Handshakes } from '../../../servers/tls/handshakes.js';
import type { SecuredSocket } from '../../../servers/tls/secured-socket.js';
import { temporaryFolder } from '../../support/folder.js';
import { addressOf, Lab } from '../../support/nodes.js';
import { bytesOf, joinHeaders } from '../../support/relay.js';
import { serveAll } from '../../support/servers.js';
import { putCertificate, webCertificate } from '../../support/web-certificate.js';

describe('A socket that a server has secured', () => {
  const lab = new Lab();
  const file = temporaryFolder();
  afterEach(() => lab.close());

  /** A server that secures the first connection to it, and what comes of that. */
  async function securing() {
    const context = createSecureContext(webCertificate('127.0.0.1'));
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    const opened = new Promise<SecuredSocket>((resolve) => {
      server.once('connection', (socket) => {
        socket.on('error', () => undefined);
        new Handshakes(asyncScheduler).secure(socket, { context, protocols: ['a'], site: 'site' }, (stream) => {
          lab.onClose(() => stream.destroy());
          resolve(stream);
        });
      });
    });
    return { port: addressOf(server).port, opened };
  }

  async function clientOf(port: number, maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3') {
    const host = '127.0.0.1';
    const client = connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ['a'], maxVersion });
    client.on('error', () => undefined);
    lab.onClose(() => client.destroy());
    await once(client, 'secureConnect');
    return client;
  }

  /** Both ends of a connection. */
  async function secured(maxVersion?: 'TLSv1.2') {
    const { port, opened } = await securing();
    const client = await clientOf(port, maxVersion);
    return { client, stream: await opened };
  }

  it('carries bytes both ways', async () => {
    const { client, stream } = await secured();
    client.write('hello');
    expect(await bytesOf(stream, 5)).toBe('hello');
    stream.write('and you');
    expect(await bytesOf(client, 7)).toBe('and you');
  });

  it('can be reset, as any other', async () => {
    const { client, stream } = await secured();
    const failed = once(client, 'error');
    client.resume();
    stream.resume();
    const closed = once(stream, 'close');
    client.write('x');
    await once(stream, 'data');
    stream.resetAndDestroy();
    expect(await failed).toEqual([jasmine.objectContaining({ code: 'ECONNRESET' })]);
    await closed;
  });

  it('can be reset while it is being read', async () => {
    const { client, stream } = await secured();
    const failed = once(client, 'error');
    const closed = once(stream, 'close');
    stream.on('data', () => stream.resetAndDestroy());
    client.resume();
    for (let piece = 0; piece < 10; piece++) client.write('x'.repeat(100_000));
    expect(await failed).toEqual([jasmine.objectContaining({ code: 'ECONNRESET' })]);
    await closed;
  });

  it('is closed when what comes is no TLS any more', async () => {
    const { port, opened } = await securing();
    // What stands between does not close when the server says what is wrong.
    const between = createServer().listen(0, '127.0.0.1');
    await once(between, 'listening');
    lab.onClose(() => between.close());
    const passing = new Promise<Socket>((resolve) => {
      between.once('connection', (near) => {
        const far = connect(port, '127.0.0.1');
        lab.onClose(() => far.destroy());
        near.on('error', () => undefined).on('data', (bytes) => far.write(bytes));
        far.on('error', () => undefined).on('data', (bytes) => near.write(bytes));
        resolve(far);
      });
    });
    const [stream, far] = await Promise.all([opened, passing, clientOf(addressOf(between).port)]);
    const closed = once(stream.resume(), 'close');
    // A record that nobody has encrypted (RFC 8446 §5.2).
    far.write(Buffer.concat([Buffer.from([0x17, 3, 3, 0, 32]), Buffer.alloc(32)]));
    await closed;
    expect(stream.destroyed).toBeTrue();
  });

  it('is closed when a client of TLS 1.2 wants another handshake', async () => {
    const { client, stream } = await secured('TLSv1.2');
    const closed = once(stream.resume(), 'close');
    client.resume().renegotiate({}, () => undefined);
    await closed;
    expect(stream.destroyed).toBeTrue();
  });

  it('passes a reset on by the relay, and the servers go on', async () => {
    const certificate = webCertificate('127.0.0.1');
    const { http } = await serveAll(lab, { tls: putCertificate(file, certificate) });
    const [alice, bob] = [createIdentity(), createIdentity()];
    const token = systemRuntime.newId();
    const here = await joinBy(http, certificate.cert, alice, { to: bob.peerId, token });
    const there = await joinBy(http, certificate.cert, bob, { to: alice.peerId, token });
    here.stream.write('x');
    expect(await bytesOf(there.stream, 1)).toBe('x');
    const failed = once(there.stream, 'error');
    there.stream.resume();
    here.raw.resetAndDestroy();
    expect(await failed).toEqual([jasmine.objectContaining({ code: 'ECONNRESET' })]);
    const again = await joinBy(http, certificate.cert, alice, { to: bob.peerId, token: systemRuntime.newId() });
    expect(again.stream.destroyed).toBeFalse();
  });

  /** Joins a relay by HTTPS: the stream, and the bare connection below. */
  async function joinBy(http: Endpoint, ca: string, identity: Identity, fields: { to: string; token: string }) {
    const raw = connect({ host: http.address, port: http.port });
    raw.on('error', () => undefined);
    lab.onClose(() => raw.destroy());
    const stream = connectTls({ socket: raw, ca, host: http.address });
    stream.on('error', () => undefined);
    const host = `${http.address}:${http.port}`;
    const headers = { host, connection: 'Upgrade', ...joinHeaders(identity, host, fields) };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    stream.write(`GET /relay HTTP/1.1\r\n${lines.join('')}\r\n`);
    let answer = '';
    while (!answer.endsWith('\r\n\r\n')) answer += await bytesOf(stream, 1);
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    return { raw, stream };
  }
});
