import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import { launch, type Browser, type Page } from 'puppeteer-core';
import { Subject } from 'rxjs';
import { createIdentity } from '../../../lib/identity.js';
import { formatRequest } from '../../../lib/rendezvous/messages.js';
import { temporaryFolder } from '../../support/folder.js';
import { LineClient } from '../../support/line-client.js';
import { MailboxCaller } from '../../support/mailbox.js';
import { Lab, newAddress } from '../../support/nodes.js';
import { proveLine } from '../../support/proof.js';
import { hasProgram } from '../../support/installed-programs.js';
import { needsProgram } from '../../support/proxies.js';
import { bytesOf, joined, RelayNode } from '../../support/relay.js';
import { serveAll } from '../../support/servers.js';

/** Debian's. */
const CHROMIUM = '/usr/bin/chromium';

const SIZES = { phone: { width: 360, height: 740 }, desktop: { width: 1280, height: 900 } } as const;

describe('The status page', () => {
  const lab = new Lab();
  const sockets: Socket[] = [];
  const path = temporaryFolder();
  let browser: Browser | undefined;
  /** What the page complains of. */
  let complaints: string[] = [];

  beforeAll(async () => {
    if (!hasProgram('chromium')) return;
    // Root may not use Chromium's sandbox; /dev/shm is small in containers.
    const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-extensions'];
    browser = await launch({ executablePath: CHROMIUM, args });
  });
  afterAll(async () => {
    await browser?.close();
  });
  beforeEach(() => {
    needsProgram('chromium');
    complaints = [];
  });
  afterEach(async () => {
    // What it asks for belongs to its spec.
    for (const page of (await browser?.pages()) ?? []) await page.close();
    for (const socket of sockets.splice(0)) socket.destroy();
    await lab.close();
  });

  async function serving(port = 0) {
    const drain = new Subject<void>();
    const { at } = await serveAll(lab, { admin: { port }, drain$: drain });
    return { at, drain };
  }

  async function open(at: { readonly port: number }): Promise<Page> {
    const page = await browser?.newPage();
    if (page === undefined) throw new Error('Expected a browser');
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warn') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('requestfailed', (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText ?? ''}`));
    await page.goto(`http://127.0.0.1:${at.port}/`, { waitUntil: 'domcontentloaded' });
    return page;
  }

  /** Waits until an element has a text. */
  async function until(page: Page, selector: string, text: string): Promise<void> {
    const condition = `document.querySelector('${selector}')?.textContent.includes('${text}')`;
    await page.waitForFunction(condition, { timeout: 60_000 });
  }

  async function clientOf(at: { address: string; port: number }, from?: string): Promise<LineClient> {
    const client = await LineClient.to(at, from);
    sockets.push(client.socket);
    return client;
  }

  /** Real clients do a bit of everything. */
  async function traffic(at: (name: string) => { address: string; host: string; port: number }) {
    const clients = await Promise.all(Array.from({ length: 12 }, () => clientOf(at('rendezvous'))));
    const [alice, bob] = clients;
    if (alice === undefined || bob === undefined) throw new Error('Expected clients');
    const ids = [];
    for (const client of [alice, bob]) {
      const identity = createIdentity();
      const [, nonce = ''] = (await client.ask('HELLO 2')).split(' ');
      await client.ask(proveLine(client, identity, nonce));
      ids.push(identity.peerId);
    }
    const message = Buffer.from('hello');
    for (let id = 0; id < 20; id++) {
      await alice.ask(formatRequest({ verb: 'SEND', id: `a${id}`, to: ids[1] ?? '', message }));
    }
    for (let count = 0; count < 3; count++) await (await clientOf(at('rendezvous'), newAddress())).ask('HELLO 99');
    const sender = new MailboxCaller(at('http'));
    for (let count = 0; count < 5; count++) await sender.put(createIdentity().peerId, 'kept');
    const [here, there] = await joined(new RelayNode(at('http')), new RelayNode(at('http')));
    sockets.push(here, there);
    here.write('x'.repeat(50_000));
    await bytesOf(there, 50_000);
    return clients;
  }

  it('shows what servers do, as it happens, and says nothing in the console', async () => {
    const { at, drain } = await serving();
    const page = await open(at('admin'));
    await until(page, '#state.ready', 'ready');
    await until(page, '#refusals', 'Nobody was refused.');
    const clients = await traffic(at);
    await until(page, '#now-sessions', '12');
    await until(page, '#now-pairs', '1');
    await until(page, '#refusals', 'bad-version');
    await until(page, '#limited', '/24');
    await until(page, '#totals', 'messages passed on20');
    await until(page, '#totals', 'messages in the mailbox now5');
    await until(page, '#about', `Node ${process.version}`);
    const curve = '[...document.querySelectorAll("#graphs .line")].every((line) => line.getTotalLength() > 1)';
    await page.waitForFunction(curve);
    // A change after that, without anything being done on the page.
    for (const client of clients.slice(2)) client.socket.destroy();
    await until(page, '#now-sessions', '2');
    expect(complaints).toEqual([]);
    drain.next();
    await until(page, '#state', 'not ready');
    await until(page, '#reasons', 'the servers are draining');
  }, 120_000);

  it('is readable on a phone and on a desktop, light and dark', async () => {
    const { at } = await serving();
    const folder = process.env['RXP2P_PICTURES'] ?? path('pictures');
    mkdirSync(folder, { recursive: true });
    const page = await open(at('admin'));
    await traffic(at);
    await until(page, '#limited', '/24');
    // Curves have a shape when more has happened.
    for (const count of [3, 4, 5]) {
      await page.waitForFunction(`samples.length >= ${count}`);
      for (let client = 0; client < count; client++) await (await clientOf(at('rendezvous'))).ask('HELLO 2');
    }
    for (const [name, viewport] of Object.entries(SIZES)) {
      for (const scheme of ['light', 'dark']) {
        await page.setViewport({ ...viewport, deviceScaleFactor: 1 });
        await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
        const root = 'document.documentElement';
        const wide = await page.evaluate(`${root}.scrollWidth - ${root}.clientWidth`);
        const ground = String(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
        expect(wide).withContext(`${name}, ${scheme}: how far it goes beyond the right edge`).toBe(0);
        const [red = 0] = ground.match(/\d+/g) ?? [];
        expect(Number(red) > 127)
          .withContext(`${name}, ${scheme}: ${ground}`)
          .toBe(scheme === 'light');
        await page.screenshot({ path: join(folder, `${name}-${scheme}.png`), fullPage: true });
      }
    }
    expect(complaints).toEqual([]);
  }, 120_000);

  it('shows texts from elsewhere as texts', async () => {
    const { at } = await serving();
    const page = await open(at('admin'));
    await until(page, '#state.ready', 'ready');
    await page.evaluate(`table('refusals', ['a'], [['<img src=x onerror=alert(1)>']], '')`);
    expect(await page.evaluate(`document.querySelectorAll('#refusals img').length`)).toBe(0);
    expect(complaints).toEqual([]);
  }, 120_000);

  it('says that the connection is gone, and goes on when it is back', async () => {
    const { at } = await serving();
    const page = await open(at('admin'));
    await until(page, '#state.ready', 'ready');
    await page.setOfflineMode(true);
    await lab.close();
    await until(page, '#state', 'no connection');
    await serving(at('admin').port);
    await page.setOfflineMode(false);
    await until(page, '#state.ready', 'ready');
  }, 120_000);
});
