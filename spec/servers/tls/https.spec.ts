import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { filter, firstValueFrom } from 'rxjs';
import type { Endpoint } from '../../../lib/endpoint.js';
import { InvalidOptionError } from '../../../lib/errors.js';
import { mailboxServer$, reachabilityServer$, relayServer$, serve$, type ServeConfig } from '../../../servers/index.js';
import { temporaryFolder } from '../../support/folder.js';
import { failureOf, Lab, newAddress } from '../../support/nodes.js';
import { serveAll } from '../../support/servers.js';
import { putCertificate, webCertificate, type WebCertificate } from '../../support/web-certificate.js';

describe('Servers with a certificate', () => {
  const lab = new Lab();
  const file = temporaryFolder();
  afterEach(() => lab.close());

  /** Puts a certificate into the files, as programs of authorities do: each is whole whenever it is looked at. */
  async function put({ cert, key }: WebCertificate): Promise<void> {
    for (const [name, pem] of [['key.pem', key] as const, ['cert.pem', cert] as const]) {
      await writeFile(file(`${name}.new`), pem);
      await rename(file(`${name}.new`), file(name));
    }
  }

  const open = (config: ServeConfig = {}) =>
    serveAll(lab, { tls: { certFile: file('cert.pem'), keyFile: file('key.pem') }, ...config });

  /** The answer to a GET, by HTTPS with a certificate, else by HTTP. */
  function responseOf({ address, port }: Endpoint, path: string, ca?: string): Promise<IncomingMessage> {
    const where = { host: address, port, path, agent: false };
    const asking = ca === undefined ? requestHttp(where) : requestHttps({ ...where, ca });
    return new Promise((resolve, reject) => {
      asking.on('response', resolve).on('error', reject).end();
    });
  }

  async function ask(where: Endpoint, path: string, ca?: string): Promise<unknown> {
    return JSON.parse(await text(await responseOf(where, path, ca)));
  }

  const SEEN = { address: '127.0.0.1', port: jasmine.any(Number) };

  it('speak HTTPS and HTTP on one port', async () => {
    const certificate = webCertificate('127.0.0.1');
    await put(certificate);
    const { http } = await open();
    expect(await ask(http, '/address', certificate.cert)).toEqual(SEEN);
    expect(await ask(http, '/address')).toEqual(SEEN);
    expect(await ask(http, '/address', certificate.cert)).toEqual(SEEN);
  });

  for (const [name, alone$] of [
    ['mailbox', mailboxServer$],
    ['relay', relayServer$],
    ['reachability', reachabilityServer$],
  ] as const) {
    it(`speak HTTPS and HTTP when there is none but the ${name} server`, async () => {
      const certificate = webCertificate('127.0.0.1');
      const tls = putCertificate(file, certificate);
      const { local, certificate$ } = await lab.open(alone$({ bind: '127.0.0.1', port: 0, tls }));
      const statuses = await Promise.all(
        [certificate.cert, undefined].map(async (ca) => {
          const response = await responseOf(local, '/nothing', ca);
          response.resume();
          return response.statusCode;
        }),
      );
      expect(statuses).toEqual([404, 404]);
      expect(await firstValueFrom(certificate$)).toEqual({ failure: undefined });
      const without = await lab.open(alone$({ bind: '127.0.0.1', port: 0 }));
      expect(await firstValueFrom(without.certificate$, { defaultValue: 'none' })).toBe('none');
      const wrong = { ...tls, keyFile: file('nothing') };
      expect(await failureOf(alone$({ bind: '127.0.0.1', port: 0, tls: wrong }))).toBeInstanceOf(InvalidOptionError);
    });
  }

  it('use a new one as soon as it is there, and go on with the old one when it cannot be used', async () => {
    const [first, second] = [webCertificate('127.0.0.1'), webCertificate('127.0.0.1')];
    await put(first);
    const { http, certificate$ } = await open();
    const failing = firstValueFrom(certificate$.pipe(filter(({ failure }) => failure !== undefined)));
    await put({ ...second, key: first.key });
    expect((await failing).failure).toMatch(/mismatch/i);
    expect(await ask(http, '/address', first.cert)).toEqual(SEEN);
    const mended = firstValueFrom(certificate$.pipe(filter(({ failure }) => failure === undefined)));
    await put(second);
    await mended;
    expect(await ask(http, '/address', second.cert)).toEqual(SEEN);
  });

  it('fail at once when the files cannot be used', async () => {
    const tls = { certFile: file('cert.pem'), keyFile: file('key.pem') };
    expect(await failureOf(serve$({ bind: '127.0.0.1', port: 0, httpPort: 0, tls }))).toBeInstanceOf(
      InvalidOptionError,
    );
    await put({ cert: 'no certificate', key: 'no key' });
    expect(await failureOf(serve$({ bind: '127.0.0.1', port: 0, httpPort: 0, tls }))).toBeInstanceOf(
      InvalidOptionError,
    );
  });

  it('agree on HTTP/1.1 with clients that know more', async () => {
    await put(webCertificate('127.0.0.1'));
    const { http } = await open();
    const socket = connectTls({
      host: http.address,
      port: http.port,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    await once(socket, 'secureConnect');
    expect(socket.alpnProtocol).toBe('http/1.1');
    socket.destroy();
  });

  it('know the caller behind a proxy that passes TLS on', async () => {
    const certificate = webCertificate('127.0.0.1');
    await put(certificate);
    const { http } = await open({ trustProxy: ['127.0.0.1'] });
    const raw = connect({ host: http.address, port: http.port });
    raw.write('PROXY TCP4 192.0.2.7 198.51.100.1 50123 443\r\n');
    const socket = connectTls({ socket: raw, ca: certificate.cert, host: '127.0.0.1' });
    socket.write('GET /address HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
    expect(await text(socket)).toContain('{"address":"192.0.2.7","port":50123}');
  });

  it('serve others while one address has many handshakes that do not go on', async () => {
    const certificate = webCertificate('127.0.0.1');
    await put(certificate);
    const { http } = await open({ httpLimits: { requestMs: 30_000 } });
    const localAddress = newAddress();
    const half = Array.from({ length: 80 }, () => connect({ host: http.address, port: http.port, localAddress }));
    for (const socket of half) {
      socket.on('error', () => undefined).write('\x16\x03\x01\x02');
      lab.onClose(() => socket.destroy());
    }
    // 64 of them are waited for.
    const closed = half.map(
      (socket) =>
        new Promise<Socket>((resolve) =>
          socket.resume().once('close', () => {
            resolve(socket);
          }),
        ),
    );
    await Promise.any(closed);
    expect(await ask(http, '/address', certificate.cert)).toEqual(SEEN);
    expect(half.filter((socket) => !socket.destroyed).length).toBeGreaterThanOrEqual(60);
  });

  it('close what begins as TLS and is none', async () => {
    await put(webCertificate('127.0.0.1'));
    const { http } = await open();
    const socket = connect({ host: http.address, port: http.port });
    socket.on('error', () => undefined).write('\x16GET / HTTP/1.1\r\n\r\n');
    await once(socket.resume(), 'close');
    expect(socket.destroyed).toBe(true);
  });
});
