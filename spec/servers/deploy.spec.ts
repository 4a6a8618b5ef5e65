import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createIdentity } from '../../lib/identity.js';
import type { Endpoint } from '../../lib/endpoint.js';
import { serveConfigOf, ServeValues } from '../../lib/cli/serve-config.js';
import { environmentNameOf, SERVE_OPTIONS } from '../../lib/cli/serve-options.js';
import { DEFAULT_HTTP_LIMITS } from '../../servers/http/limits.js';
import { temporaryFolder } from '../support/folder.js';
import { call, MailboxCaller } from '../support/mailbox.js';
import { Lab, newAddress } from '../support/nodes.js';
import { needsProgram, Proxies } from '../support/proxies.js';
import { bytesOf, joined, RelayNode } from '../support/relay.js';
import { serveAll } from '../support/servers.js';
import { putCertificate, webCertificate } from '../support/web-certificate.js';
import { WebSocketClient } from '../support/web-socket-client.js';
import { freeEndpoint } from '../support/free-port.js';

const DEPLOY = new URL('../../../servers/deploy/', import.meta.url);

/** The longest exposure that systemd may find, in tenths: it says OK up to this. */
const MOST_EXPOSED = 20;

function read(name: string): string {
  return readFileSync(new URL(name, DEPLOY), 'utf8');
}

describe('What servers are run with', () => {
  const lab = new Lab();
  const proxies = new Proxies();
  const path = temporaryFolder();
  afterEach(async () => {
    await proxies.close();
    await lab.close();
  });

  for (const [what, withHttps] of [
    ['is a unit', false],
    ['is a unit that may have port 443', true],
  ] as const) {
    it(`${what}, that systemd finds well made, and of little exposure`, () => {
      needsProgram('systemd-analyze');
      const file = path('rxp2p.service');
      // That of a package that is not installed here.
      writeFileSync(file, read('rxp2p.service').replaceAll('/usr/local/bin/rxp2p', process.execPath));
      if (withHttps) {
        mkdirSync(`${file}.d`);
        writeFileSync(join(`${file}.d`, 'https.conf'), read('https.conf'));
      }
      const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
      expect([verified.status, verified.stderr]).toEqual([0, '']);
      const threshold = `--threshold=${MOST_EXPOSED}`;
      const { status, stdout } = spawnSync('systemd-analyze', ['security', '--offline=true', threshold, file], {
        encoding: 'utf8',
      });
      expect(status).withContext(stdout).toBe(0);
      expect(stdout.includes('✗ CapabilityBoundingSet=~CAP_NET_(BIND_SERVICE')).withContext(stdout).toBe(withHttps);
    });
  }

  it('is a unit that gives servers longer than they drain for, and a file of options that they take', () => {
    const [, stop = ''] = /^TimeoutStopSec=(\d+)$/m.exec(read('rxp2p.service')) ?? [];
    const drain = SERVE_OPTIONS.find(({ name }) => name === 'drain')?.default;
    expect(Number(stop)).toBeGreaterThan(Number(drain));
    const file = fileURLToPath(new URL('rxp2p.json', DEPLOY));
    const values = new ServeValues({ file, environment: {}, flags: {} });
    expect(serveConfigOf(values).admin).toEqual(jasmine.objectContaining({ bind: '127.0.0.1', port: 9090 }));
  });

  it('is a Containerfile whose environment has the names of options', () => {
    const names = read('Containerfile').match(/\bRXP2P_\w+(?==)/g) ?? [];
    expect(names.length).toBeGreaterThan(0);
    const known = SERVE_OPTIONS.map(environmentNameOf);
    expect(names.filter((name) => !known.includes(name))).toEqual([]);
    expect(read('Containerfile')).toContain('STOPSIGNAL SIGTERM');
  });

  it('is proxies that give up idle connections before the servers do, which would close them under a request', () => {
    for (const [name, pattern] of [
      ['nginx.conf', /^ +keepalive_timeout (\d+)s;$/m],
      ['Caddyfile', /^\t+keepalive (\d+)s$/m],
    ] as const) {
      const [, seconds = ''] = pattern.exec(read(name)) ?? [];
      expect(seconds).withContext(name).not.toBe('');
      expect(Number(seconds) * 1_000)
        .withContext(name)
        .toBeLessThan(DEFAULT_HTTP_LIMITS.requestMs);
    }
  });

  /** What must work behind any proxy. */
  async function expectAll(at: Endpoint, scheme: 'ws' | 'wss', ca: string | undefined, host: string) {
    const from = newAddress();
    const client = await WebSocketClient.to(`${scheme}://127.0.0.1:${at.port}/rendezvous`, {
      ...(ca !== undefined && { ca }),
      localAddress: from,
    });
    expect(await client.ask('HELLO 2')).toMatch(new RegExp(`^NONCE \\S+ ${from}:\\d+$`));
    client.webSocket.terminate();
    if (scheme === 'wss') return;
    const where = { host: '127.0.0.1', port: at.port };
    const headers = { host, forwarded: 'for=1.1.1.1', 'x-forwarded-for': '1.1.1.1' };
    const { text } = await call({ ...where, localAddress: from }, '/address', undefined, headers);
    expect(JSON.parse(text)).toEqual({ address: from, port: jasmine.any(Number) });
    const alice = new MailboxCaller(where);
    const bob = new MailboxCaller(where, createIdentity());
    expect((await alice.put(bob.peerId, 'hello')).status).toBe(200);
    expect((await bob.take()).length).toBe(1);
    const [here, there] = await joined(new RelayNode(where), new RelayNode(where));
    here.write('by a proxy');
    expect(await bytesOf(there, 10)).toBe('by a proxy');
    here.destroy();
    there.destroy();
  }

  it('is a snippet by which nginx passes everything on, with who asks and from which port', async () => {
    needsProgram('nginx');
    const { http } = await serveAll(lab, { trustProxy: ['127.0.0.1'] });
    const certificate = webCertificate('127.0.0.1');
    const { certFile, keyFile } = putCertificate(path, certificate);
    const secure = await freeEndpoint();
    const plain = await freeEndpoint();
    const snippet = read('nginx.conf')
      .replace('listen 443 ssl;', `listen 127.0.0.1:${secure.port} ssl; listen 127.0.0.1:${plain.port};`)
      .replace('listen [::]:443 ssl;', '')
      .replace('127.0.0.1:8080', `127.0.0.1:${http.port}`)
      .replace(/\/etc\/letsencrypt\/\S+fullchain.pem/, certFile)
      .replace(/\/etc\/letsencrypt\/\S+privkey.pem/, keyFile);
    await proxies.nginx(secure, () => snippet);
    await expectAll(secure, 'wss', certificate.cert, 'rv.example.org');
    await expectAll(plain, 'ws', undefined, 'rv.example.org');
  });

  it('is a Caddyfile by which Caddy does', async () => {
    needsProgram('caddy');
    const { http } = await serveAll(lab, { trustProxy: ['127.0.0.1'] });
    const at = await freeEndpoint();
    const text = read('Caddyfile')
      .replace('rv.example.org {', `http://:${at.port} {\n\tbind 127.0.0.1`)
      .replace('127.0.0.1:8080', `127.0.0.1:${http.port}`);
    await proxies.caddy(at, text);
    await expectAll(at, 'ws', undefined, 'rv.example.org');
  });
});
