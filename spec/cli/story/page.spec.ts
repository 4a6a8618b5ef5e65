import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { launch } from 'puppeteer-core';
import { pageOf } from '../../../lib/cli/story/page.js';
import { temporaryFolder } from '../../support/folder.js';
import { Lab, newAddress } from '../../support/nodes.js';
import { Program, RXP2P } from '../../support/program.js';
import { needsProgram } from '../../support/proxies.js';
import { leftToCi } from '../../support/left-to-ci.js';

/** Debian's. */
const CHROMIUM = '/usr/bin/chromium';
const SIZES = { phone: { width: 360, height: 740 }, desktop: { width: 1280, height: 900 } } as const;

describe('The report of an attempt, as a page', () => {
  const lab = new Lab();
  const path = temporaryFolder();
  const programs: Program[] = [];
  afterEach(async () => {
    for (const program of programs) program.signal('SIGKILL');
    await Promise.all(programs.splice(0).map((program) => program.exit()));
    await lab.close();
  });

  const start = (...args: string[]) => {
    const program = new Program(RXP2P, args);
    programs.push(program);
    return program;
  };

  it('is written by `connect` and by `doctor`, and readable on a phone and on a desktop, light and dark', async () => {
    leftToCi();
    needsProgram('chromium');
    const { address } = await lab.server();
    const listener = start('listen', '--bind', newAddress(), '--rendezvous', address, '--echo');
    await listener.until('its locator', ({ lines }) => lines.length > 0);
    const [connected, checked] = [path('connect.html'), path('doctor.html')];
    const dialer = start('connect', listener.lines[0] ?? '', '--bind', newAddress(), '--report', connected);
    dialer.endOfInput('hello\n');
    expect(await dialer.exit()).toBe(0);
    expect(await start('doctor', '--bind', newAddress(), '--rendezvous', address, '--report', checked).exit()).toBe(0);
    expect(readFileSync(connected, 'utf8')).toContain('lines go by direct (direct)');
    expect(readFileSync(checked, 'utf8')).toContain('Others reach this node directly');

    const folder = process.env['RXP2P_PICTURES'] ?? path('pictures');
    mkdirSync(folder, { recursive: true });
    // Root may not use Chromium's sandbox; /dev/shm is small in containers.
    const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-extensions'];
    const browser = await launch({ executablePath: CHROMIUM, args, userDataDir: path('chromium') });
    const complaints: string[] = [];
    try {
      const page = await browser.newPage();
      page.on('console', (message) => complaints.push(message.text()));
      page.on('requestfailed', (request) => complaints.push(request.url()));
      for (const [file, name] of [
        [connected, 'connect'],
        [checked, 'doctor'],
      ] as const) {
        await page.goto(pathToFileURL(file).href);
        for (const [size, viewport] of Object.entries(SIZES))
          for (const scheme of ['light', 'dark']) {
            await page.setViewport({ ...viewport, deviceScaleFactor: 1 });
            await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
            const root = 'document.documentElement';
            const wide = await page.evaluate(`${root}.scrollWidth - ${root}.clientWidth`);
            expect(wide).withContext(`${name}, ${size}: how far it goes beyond the right edge`).toBe(0);
            await page.screenshot({ path: join(folder, `report-${name}-${size}-${scheme}.png`), fullPage: true });
          }
        expect(await page.evaluate(`document.querySelectorAll('.bar, .mark').length`)).toBeGreaterThan(0);
      }
      expect(complaints).toEqual([]);
    } finally {
      await browser.close();
    }
  }, 120_000);

  it('breaks sentences where the window ends, and no table', () => {
    const check = [
      'What that means',
      '  A sentence.',
      '',
      '  a peer …  this node  it',
      '  at home   directly   by a relay',
      '  More.',
    ];
    const page = pageOf({ title: '', versions: '', outcome: '', check, events: [] });
    expect(Array.from(page.matchAll(/<pre( class="flows")?>([^<]*)</g), ([, flows, text]) => [flows, text])).toEqual([
      [' class="flows"', 'What that means\n  A sentence.\n'],
      [undefined, '  a peer …  this node  it\n  at home   directly   by a relay'],
      [' class="flows"', '  More.'],
    ]);
  });

  it('shows texts from elsewhere as texts, and no public address or key', () => {
    const key = 'A'.repeat(43);
    const failure = `<script>alert("1")</script> ${key} 45.45.1.7 \u001b[2J`;
    const page = pageOf({
      title: '<i>',
      versions: '&',
      outcome: failure,
      check: [failure],
      events: [{ type: 'server', kind: 'MQTT', server: 'mqtt://45.45.1.7', failure, at: 0 }],
    });
    expect(pageOf({ title: '', versions: '', outcome: '', events: [], leftOut: 5 })).toContain('0 steps of 5');
    expect(page).not.toMatch(/<script|<i>|45\.45\.1\.7|A{43}/);
    expect(page).not.toContain('\u001b');
    const [, trace = ''] = /base64,([^"]*)/.exec(page) ?? [];
    expect(Buffer.from(trace, 'base64').toString()).not.toMatch(/45\.45\.1\.7|A{43}/);
  });
});
