import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect, createServer, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { asyncScheduler, VirtualTimeScheduler } from 'rxjs';
import { createIdentity, type Identity } from '../../../lib/identity.js';
import type { Endpoint } from '../../../lib/endpoint.js';
import { Callers } from '../../../servers/callers/callers.js';
import { LineClient } from '../../support/line-client.js';
import { addressOf, Lab, newAddress } from '../../support/nodes.js';
import { proveLine } from '../../support/proof.js';
import { needsProgram, Proxies, proxyHeader2 } from '../../support/proxies.js';
import { serveAll } from '../../support/servers.js';
import { freeEndpoint } from '../../support/free-port.js';

describe('Servers behind proxies', () => {
  const lab = new Lab();
  const proxies = new Proxies();
  afterEach(async () => {
    await proxies.close();
    await lab.close();
  });

  /** What is answered to a GET. */
  async function ask(
    { address, port }: Endpoint,
    path: string,
    { from, headers = {} }: { readonly from?: string; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const local = from === undefined ? {} : { localAddress: from };
      get({ host: address, port, path, agent: false, headers, ...local })
        .on('response', resolve)
        .on('error', reject);
    });
    return { status: response.statusCode, text: await text(response), headers: response.headers };
  }

  const askJson = async (...asked: Parameters<typeof ask>): Promise<unknown> => JSON.parse((await ask(...asked)).text);

  /** Says something as it is, and waits for all that is answered until the end. */
  async function exchange({ address, port }: Endpoint, said: Buffer | string, from?: string): Promise<string> {
    const socket = connect({ host: address, port, ...(from !== undefined && { localAddress: from }) });
    socket.on('error', () => undefined);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.write(said);
    await once(socket, 'close');
    return answer;
  }

  const GET = 'GET /address HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n';
  const ENDS = {
    source: { address: '192.0.2.7', port: 50_123 },
    destination: { address: '198.51.100.1', port: 8_000 },
  };
  const LINE = 'PROXY TCP4 192.0.2.7 198.51.100.1 50123 8000\r\n';

  describe('that speak the PROXY protocol', () => {
    it('know the caller’s own address and port, on each port', async () => {
      const { rendezvous, http } = await serveAll(lab, { trustProxy: ['127.0.0.1'] });
      for (const header of [Buffer.from(LINE), proxyHeader2(ENDS), proxyHeader2(ENDS, { more: Buffer.alloc(64) })]) {
        const body = await exchange(http, Buffer.concat([header, Buffer.from(GET)]));
        expect(body).toContain('{"address":"192.0.2.7","port":50123}');
        const answer = await exchange(rendezvous, Buffer.concat([header, Buffer.from('SOURCE TCP\r\nQUIT\r\n')]));
        expect(answer).toBe('REMOTE TCP 50123\r\n');
      }
    });

    it('however it is cut', async () => {
      const { http, rendezvous } = await serveAll(lab, { trustProxy: ['127.0.0.1'] });
      const say = async ({ address, port }: Endpoint, bytes: Buffer) => {
        const socket = connect({ host: address, port, noDelay: true });
        let answer = '';
        socket.on('data', (chunk) => {
          answer += chunk.toString('latin1');
        });
        for (const byte of bytes) {
          socket.write(Buffer.from([byte]));
          await new Promise(setImmediate);
        }
        await once(socket, 'close');
        return answer;
      };
      expect(await say(http, Buffer.concat([proxyHeader2(ENDS), Buffer.from(GET)]))).toContain('"port":50123');
      expect(await say(rendezvous, Buffer.from(`${LINE}SOURCE TCP\r\nQUIT\r\n`))).toBe('REMOTE TCP 50123\r\n');
    });

    it('take a client for theirs that dialled the address at which the proxy was reached', async () => {
      const { rendezvous } = await serveAll(lab, { trustProxy: ['127.0.0.1'] });
      const client = await LineClient.to(rendezvous);
      client.say(LINE.trimEnd(), 'HELLO 2');
      const [, nonce = '', observed] = (await client.heard()).split(' ');
      expect(observed).toBe('192.0.2.7:50123');
      const at = ENDS.destination;
      client.say(proveLine(client, createIdentity(), nonce, { server: '198.51.100.1:8000', at }));
      expect(await client.heard()).toMatch(/^WELCOME/);
    });

    it('believe nobody else', async () => {
      const { rendezvous, http } = await serveAll(lab, { trustProxy: ['127.0.0.1'] });
      const from = newAddress();
      expect(await exchange(http, `${LINE}${GET}`, from)).toMatch(/^HTTP\/1.1 400/);
      expect(await exchange(http, Buffer.concat([proxyHeader2(ENDS), Buffer.from(GET)]), from)).toMatch(
        /^HTTP\/1.1 400/,
      );
      const client = await LineClient.to(rendezvous, from);
      client.say(LINE.trimEnd(), 'SOURCE TCP');
      expect(await client.heard()).toBe(`REMOTE TCP ${client.socket.localPort ?? 0}`);
    });

    it('hang up on a header that cannot be read', async () => {
      const { rendezvous, http } = await serveAll(lab, { trustProxy: ['127.0.0.1'] });
      for (const server of [rendezvous, http]) {
        expect(await exchange(server, 'PROXY TCP4 1.1.1.1 2.2.2.2 99999 1\r\n')).toBe('');
        expect(await exchange(server, `PROXY UNKNOWN ${'x'.repeat(200)}`)).toBe('');
      }
    });

    it('count each caller by its own address', async () => {
      const { rendezvous } = await serveAll(lab, { trustProxy: ['127.0.0.1'], limits: { connectionsPerHost: 1 } });
      const come = async (address: string) => {
        const client = await LineClient.to(rendezvous);
        client.say(`PROXY TCP4 ${address} 198.51.100.1 50123 8000`);
        return client.ask('PING');
      };
      expect(await come('192.0.2.7')).toBe('PONG');
      expect(await come('192.0.2.8')).toBe('PONG');
      expect(await come('192.0.2.7')).toMatch(/^REFUSED too-many-connections/);
    });
  });

  describe('that say nothing', () => {
    it('leave out what would be wrong', async () => {
      const { rendezvous, http } = await serveAll(lab, { trustProxy: ['127.0.0.1'] });
      expect(await askJson(http, '/address')).toEqual({ reason: jasmine.stringMatching(/proxy/) });
      expect(await askJson(http, '/reachable?port=4000')).toEqual(
        jasmine.objectContaining({ reachable: false, reason: jasmine.stringMatching(/proxy/) }),
      );
      expect((await ask(http, '/net.php?action=get_wan_ip')).status).toBe(503);
      expect(await askJson(http, '/net.php?action=is_port_forwarded&port=4000')).toEqual({ result: 'no' });
      const client = await LineClient.to(rendezvous);
      expect(await client.ask('SOURCE TCP')).toMatch(/^REFUSED unseen /);
      expect(await client.ask('HELLO 2')).toMatch(/^NONCE \S+$/);
    });

    it('are not counted as one caller', async () => {
      const { rendezvous } = await serveAll(lab, { trustProxy: ['127.0.0.1'], limits: { connectionsPerHost: 1 } });
      const clients = await Promise.all([LineClient.to(rendezvous), LineClient.to(rendezvous)]);
      expect(await Promise.all(clients.map((client) => client.ask('PING')))).toEqual(['PONG', 'PONG']);
    });
  });

  it('wait a few seconds for the header of a proxy, and hold few bytes of it', async () => {
    const scheduler = new VirtualTimeScheduler();
    const callers = new Callers(['127.0.0.1'], scheduler);
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    const arrived = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const client = connect(addressOf(server).port, '127.0.0.1');
    client.on('error', () => undefined);
    const socket = await arrived;
    callers.arrive(socket, () => {
      throw new Error('Expected nobody');
    });
    client.write('PROXY TC');
    await once(socket, 'readable');
    scheduler.flush();
    expect([scheduler.now(), socket.destroyed]).toEqual([5_000, true]);
    client.destroy();
  });

  it('close the proxy’s connection that has been silent for longest when too many are', () => {
    const callers = new Callers(['0.0.0.0'], new VirtualTimeScheduler());
    // They are connected to nobody, whom the server sees at 0.0.0.0.
    const silent = Array.from({ length: 4_097 }, () => new Socket());
    for (const socket of silent) {
      callers.arrive(socket, () => {
        throw new Error('Expected nobody');
      });
    }
    expect(silent.map((socket) => socket.destroyed).indexOf(true)).toBe(0);
    expect(silent.filter((socket) => socket.destroyed)).toHaveSize(1);
    callers.close();
    expect(silent.every((socket) => socket.destroyed)).toBeTrue();
  });

  it('pass on to others what comes behind the header', async () => {
    const callers = new Callers(['127.0.0.1'], asyncScheduler);
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onClose(() => server.close());
    const arrived = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const client = connect(addressOf(server).port, '127.0.0.1');
    client.end(`${LINE}and more`);
    const socket = await arrived;
    await new Promise<void>((resolve) => {
      callers.arrive(socket, () => {
        resolve();
      });
    });
    expect(await text(socket)).toBe('and more');
    client.destroy();
  });

  describe('behind nginx', () => {
    beforeEach(() => {
      needsProgram('nginx');
    });

    /** nginx before the HTTP port; `set` are lines of its configuration. */
    async function proxied(http: Endpoint, set: string): Promise<Endpoint> {
      const at = await freeEndpoint();
      const block = `server { listen 127.0.0.1:${at.port}; location / {
        proxy_pass http://127.0.0.1:${http.port}; proxy_http_version 1.1; proxy_set_header Host $host; ${set} } }`;
      await proxies.nginx(at, () => block);
      return at;
    }

    const XFF = 'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;';

    it('know who asks, and not from which port', async () => {
      const { http } = await serveAll(lab, { trustProxy: ['127.0.0.1'] });
      const at = await proxied(http, XFF);
      const from = newAddress();
      expect(await askJson(at, '/address', { from })).toEqual({
        address: from,
        reason: jasmine.stringMatching(/port/),
      });
      expect((await ask(at, '/net.php?action=get_wan_ip', { from })).text).toBe(from);
    });

    it('know from which port, if nginx says so', async () => {
      const { http } = await serveAll(lab, { trustProxy: ['127.0.0.1'] });
      const at = await proxied(http, 'proxy_set_header Forwarded "for=\\"$remote_addr:$remote_port\\"";');
      const from = newAddress();
      expect(await askJson(at, '/address', { from })).toEqual({ address: from, port: jasmine.any(Number) });
    });

    it('are not taken in by headers that the caller has made up', async () => {
      const { http } = await serveAll(lab, { trustProxy: ['127.0.0.1'] });
      const at = await proxied(http, XFF);
      const from = newAddress();
      const headers = { 'x-forwarded-for': '1.1.1.1, 127.0.0.1' };
      expect(await askJson(at, '/address', { from, headers })).toEqual(jasmine.objectContaining({ address: from }));
      expect((await ask(at, '/address', { from, headers: { forwarded: 'for=1.1.1.1' } })).status).toBe(400);
      expect(await askJson(http, '/address', { from, headers: { 'x-forwarded-for': '1.1.1.1' } })).toEqual(
        jasmine.objectContaining({ address: from }),
      );
    });

    it('dial back who asks, and no proxy of theirs', async () => {
      const { http } = await serveAll(lab, { trustProxy: ['127.0.0.1'] });
      const at = await proxied(http, XFF);
      const from = newAddress();
      const node = createServer((socket) => socket.destroy()).listen(0, from);
      await once(node, 'listening');
      lab.onClose(() => node.close());
      const { port } = addressOf(node);
      const path = `/reachable?port=${port}`;
      expect(await askJson(at, path, { from })).toEqual({ address: from, port, reachable: true });
      expect(await askJson(at, path, { from, headers: { 'x-forwarded-for': '192.0.2.7' } })).toEqual(
        jasmine.objectContaining({ reachable: false, reason: jasmine.stringMatching(/not yours/) }),
      );
    });

    it('count each caller by its own address, on connections that all come from nginx', async () => {
      const { http } = await serveAll(lab, { trustProxy: ['127.0.0.1'], httpLimits: { connectionsPerHost: 1 } });
      const at = await proxied(http, XFF);
      const [here, there] = [newAddress(), newAddress()];
      const waiting = (identity: Identity, from: string) => park(at, identity, from);
      const parked = await waiting(createIdentity(), here);
      expect((await ask(at, '/address', { from: here })).status).toBe(503);
      expect((await ask(at, '/address', { from: there })).status).toBe(200);
      parked.destroy();
    });
  });

  describe('behind HAProxy', () => {
    beforeEach(() => {
      needsProgram('haproxy');
    });

    for (const send of ['send-proxy', 'send-proxy-v2', 'send-proxy-v2 proxy-v2-options unique-id,crc32c']) {
      it(`know the caller’s address and port by ${send}`, async () => {
        const { rendezvous, http } = await serveAll(lab, { trustProxy: ['127.0.0.1'] });
        const lines = await freeEndpoint();
        const web = await freeEndpoint();
        const listen = (name: string, at: Endpoint, to: Endpoint) =>
          `listen ${name}\n  mode tcp\n  bind 127.0.0.1:${at.port}\n  server one 127.0.0.1:${to.port} ${send}\n`;
        await proxies.haproxy(web, listen('lines', lines, rendezvous) + listen('web', web, http));
        const from = newAddress();
        const client = await LineClient.to(lines, from);
        expect(await client.ask('SOURCE TCP')).toBe(`REMOTE TCP ${client.socket.localPort ?? 0}`);
        expect(await askJson(web, '/address', { from })).toEqual({ address: from, port: jasmine.any(Number) });
      });
    }

    it('know the caller’s address by its header in HTTP', async () => {
      const { http } = await serveAll(lab, { trustProxy: ['127.0.0.1'] });
      const web = await freeEndpoint();
      const listen = `listen web\n  mode http\n  option forwardfor\n  bind 127.0.0.1:${web.port}\n  server one 127.0.0.1:${http.port}\n`;
      await proxies.haproxy(web, listen);
      const from = newAddress();
      expect(await askJson(web, '/address', { from })).toEqual({
        address: from,
        reason: jasmine.stringMatching(/port/),
      });
    });
  });
});

/** A request that is answered only when a message comes: it parks at the mailbox. */
async function park({ address, port }: Endpoint, identity: Identity, from: string): Promise<Socket> {
  const { authorize, encode } = await import('../../../lib/signalling/carriers/mailbox-messages.js');
  const host = '127.0.0.1';
  const take = { owner: identity.peerId, at: Date.now(), waitMs: 20_000, acknowledge: [], holding: [] };
  const body = encode(take);
  const socket = connect({ host: address, port, localAddress: from });
  socket.on('error', () => undefined);
  const head = `POST /mailbox/take HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorize(identity, 'take', host, body)}\r\n`;
  socket.write(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  await once(socket, 'connect');
  return socket;
}
