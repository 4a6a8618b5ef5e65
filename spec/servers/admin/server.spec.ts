import { connect, type Socket } from 'node:net';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { NEVER, Subject } from 'rxjs';
import { InvalidOptionError } from '../../../lib/errors.js';
import { ReadinessCheck } from '../../../servers/admin/readiness.js';
import { serve$, type ServeConfig } from '../../../servers/index.js';
import { failureOf, Lab } from '../../support/nodes.js';
import { LineClient } from '../../support/line-client.js';
import { MailboxCaller } from '../../support/mailbox.js';
import { closing, joined, RelayNode } from '../../support/relay.js';
import { serveAll } from '../../support/servers.js';

describe('Servers that are looked at', () => {
  const lab = new Lab();
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await lab.close();
  });

  async function serving(config: ServeConfig = {}) {
    const { at } = await serveAll(lab, { admin: { port: 0 }, ...config });
    const ask = async (path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET') => {
      const asking = request({ ...at('admin'), path, headers, method, agent: false });
      const answered = new Promise<{ status: number; text: string; headers: unknown }>((resolve, reject) => {
        asking.on('error', reject).on('response', (response) => {
          const { statusCode: status = 0 } = response;
          text(response).then((words) => {
            resolve({ status, text: words, headers: response.headers });
          }, reject);
        });
      });
      asking.end();
      return answered;
    };
    return { at, ask };
  }

  /** Begins a stream of events. Returns its status, and reads its text. */
  async function stream(at: { host: string; port: number }) {
    const asking = request({ ...at, path: '/events', agent: false });
    asking.on('error', () => undefined);
    asking.on('socket', (socket) => sockets.push(socket));
    const heard = { text: '' };
    const status = await new Promise<number>((resolve) => {
      asking.on('response', (response) => {
        response.on('error', () => undefined).on('data', (chunk: Buffer) => (heard.text += chunk.toString()));
        resolve(response.statusCode ?? 0);
      });
      asking.end();
    });
    return { status, heard, close: () => asking.destroy() };
  }

  it('are on loopback by default, and say where', async () => {
    const { at, ask } = await serving();
    expect(at('admin').address).toBe('127.0.0.1');
    expect(await ask('/healthz')).toEqual(jasmine.objectContaining({ status: 200, text: 'ok\n' }));
    expect((await ask('/elsewhere')).status).toBe(404);
    expect((await ask('/healthz', {}, 'POST')).status).toBe(405);
  });

  it('are ready while they take callers in, and say why they are not', async () => {
    const drain = new Subject<void>();
    const { at, ask } = await serving({ drain$: drain });
    expect(await ask('/readyz')).toEqual(
      jasmine.objectContaining({ status: 200, text: '{"ready":true,"reasons":[]}' }),
    );
    const [here, there] = await joined(new RelayNode(at('http')), new RelayNode(at('http')));
    drain.next();
    const { status, text: words } = await ask('/readyz');
    expect([status, words]).toEqual([503, '{"ready":false,"reasons":["the servers are draining"]}']);
    expect((await ask('/healthz')).status).toBe(200);
    expect((await ask('/metrics')).text).toContain('\nrxp2p_ready 0\n');
    here.destroy();
    await closing(there);
  });

  it('have metrics of all that they do, by fixed words', async () => {
    const { at, ask } = await serving({ mailboxLimits: { messageBytes: 10 } });
    const client = await LineClient.to(at('rendezvous'));
    sockets.push(client.socket);
    await client.ask('HELLO 99');
    const alice = new MailboxCaller(at('http'));
    const bob = new MailboxCaller(at('http'));
    await alice.put(bob.peerId, 'hello');
    await alice.put(bob.peerId, 'a message too long');
    const [message] = await bob.take();
    await bob.take({ acknowledge: [message?.receipt ?? ''] });
    await joined(new RelayNode(at('http')), new RelayNode(at('http')));
    const { status, text: words, headers } = await ask('/metrics');
    expect(status).toBe(200);
    expect(headers).toEqual(
      jasmine.objectContaining({ 'content-type': jasmine.stringMatching(/^text\/plain; version/) }),
    );
    const lines = words.split('\n');
    expect(lines).toEqual(
      jasmine.arrayContaining([
        'rxp2p_rendezvous_sessions_opened_total 1',
        'rxp2p_rendezvous_messages_total{outcome="sent"} 0',
        'rxp2p_refusals_total{server="rendezvous",reason="bad-version"} 1',
        'rxp2p_refusals_total{server="mailbox",reason="too-large"} 1',
        'rxp2p_mailbox_puts_total{outcome="kept"} 1',
        'rxp2p_mailbox_puts_total{outcome="refused"} 1',
        'rxp2p_mailbox_takes_total{outcome="messages"} 1',
        'rxp2p_mailbox_messages 0',
        'rxp2p_mailbox_write_seconds_count 1',
        'rxp2p_mailbox_kept_seconds_count 1',
        'rxp2p_relay_sessions 1',
        'rxp2p_http_requests_total{service="relay",status="101"} 2',
        'rxp2p_ready 1',
      ]),
    );
    for (const name of ['nodejs_eventloop_lag_p99_seconds', 'process_resident_memory_bytes', 'rxp2p_info']) {
      expect(lines.some((line) => line.startsWith(name)))
        .withContext(name)
        .toBeTrue();
    }
    expect(words).not.toContain('127.0.0.1');
  });

  it('answer only to names of their own: another site may have had its name lead here', async () => {
    const { at, ask } = await serving({ admin: { port: 0, hosts: ['status.internal'] } });
    const { port } = at('admin');
    const statuses = async (...hosts: readonly string[]) =>
      Promise.all(hosts.map(async (host) => (await ask('/healthz', { host })).status));
    const own = ['localhost', `localhost:${port}`, '127.0.0.1', `[::1]:${port}`, `STATUS.internal:${port}`];
    expect(await statuses(...own)).toEqual([200, 200, 200, 200, 200]);
    const others = [
      'evil.example',
      'localhost.evil.example',
      '192.0.2.1',
      'status.internal.evil.example',
      'a:b:c',
      '[::',
    ];
    expect(await statuses(...others)).toEqual([421, 421, 421, 421, 421, 421]);
    for (const path of ['/', '/metrics', '/events', '/readyz']) {
      expect((await ask(path, { host: 'evil.example' })).status)
        .withContext(path)
        .toBe(421);
    }
  });

  it('answer no page of another site, which could hold their connections', async () => {
    const { at, ask } = await serving();
    const { port } = at('admin');
    const statusOf = async (path: string, headers: Readonly<Record<string, string>>) =>
      (await ask(path, headers)).status;
    const host = `localhost:${port}`;
    const elsewhere = [
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'empty' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
      { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `http://localhost:${port === 1 ? 2 : 1}` },
    ];
    for (const headers of elsewhere) {
      for (const path of ['/', '/events', '/metrics']) {
        expect(await statusOf(path, { host, ...headers }))
          .withContext(`${path} ${JSON.stringify(headers)}`)
          .toBe(403);
      }
    }
    const own = [
      {},
      { origin: `http://LOCALHOST:${port}` },
      { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
      { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      // A link.
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
    ];
    for (const headers of own) {
      expect(await statusOf('/metrics', { host, ...headers }))
        .withContext(JSON.stringify(headers))
        .toBe(200);
    }
  });

  it('allow their page nothing from elsewhere, and give it to no other site', async () => {
    const { ask } = await serving();
    const { text: html, headers } = await ask('/');
    expect(headers).toEqual(
      jasmine.objectContaining({
        'content-type': 'text/html; charset=utf-8',
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
        'content-security-policy': jasmine.stringMatching(
          /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
        ),
      }),
    );
    expect(html).not.toMatch(/\b(?:src|href)="(?!data:)/);
    expect(html).not.toMatch(/https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
  });

  it('show what they do as it comes, to a bounded number of pages', async () => {
    const { at, ask } = await serving();
    const streams = await Promise.all(Array.from({ length: 16 }, () => stream(at('admin'))));
    expect(streams.map(({ status }) => status)).toEqual(Array.from({ length: 16 }, () => 200));
    expect((await ask('/events')).status).toBe(503);
    const [first] = streams;
    while (first?.heard.text.includes('event: status\n') !== true) await new Promise(setImmediate);
    expect(first.heard.text).toMatch(
      /^retry: 2000\n\nevent: history\ndata: \[.*\]\n\nevent: status\ndata: \{"ready":true,/,
    );
    first.close();
    let again = await stream(at('admin'));
    while (again.status !== 200) again = await stream(at('admin'));
  });

  it('shorten the addresses that they show to their networks, unless told otherwise', async () => {
    for (const [showAddresses, network] of [
      [false, '127.0.0.0/24'],
      [true, '127.0.0.1'],
    ] as const) {
      const { at } = await serving({ admin: { port: 0, showAddresses } });
      const client = await LineClient.to(at('rendezvous'));
      sockets.push(client.socket);
      await client.ask('HELLO 99');
      const { heard } = await stream(at('admin'));
      const limited = `"limited":[{"network":"${network}","server":"rendezvous","reason":"bad-version","count":1}]`;
      while (!heard.text.includes('event: status\n')) await new Promise(setImmediate);
      expect(heard.text).toContain(limited);
    }
  });

  it('are not ready while the mailbox cannot write', () => {
    const states = new Subject<{ isWritable: false; reason: string } | { isWritable: true }>();
    const check = new ReadinessCheck();
    expect(check.now).toEqual({ ready: false, reasons: ['the servers are starting'] });
    const looking = check.started({ storage$: states, store$: NEVER });
    expect(check.now.ready).toBeTrue();
    states.next({ isWritable: false, reason: 'ENOSPC' });
    expect(check.now).toEqual({ ready: false, reasons: ['the mailbox cannot write: ENOSPC'] });
    states.next({ isWritable: true });
    expect(check.now.ready).toBeTrue();
    looking.unsubscribe();
    expect(states.observed).toBeFalse();
  });

  it('refuse names that are none', async () => {
    for (const host of ['status.internal:80', 'a b', '']) {
      expect(await failureOf(serve$({ admin: { port: 0, hosts: [host] } }))).toBeInstanceOf(InvalidOptionError);
    }
  });

  it('stand half a request', async () => {
    const { at, ask } = await serving();
    const socket = connect(at('admin'));
    sockets.push(socket);
    socket.write('GET /events HTTP/1.1\r\nHo');
    expect((await ask('/healthz')).status).toBe(200);
  });
});
