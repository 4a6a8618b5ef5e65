import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { launch, type Page } from 'puppeteer-core';

// Looks at the main pages as a reader does, in Chromium, from the disk: nothing may be loaded from elsewhere, nothing may be wider than
// a phone, and axe, which looks for what keeps people from using a page, may find nothing serious.

/** Debian's. */
export const CHROMIUM = '/usr/bin/chromium';

/** One of each kind of page. */
const PAGES = [
  'index.html',
  'start.html',
  'observables.html',
  'command-line.html',
  'architecture.html',
  'measured.html',
  'protocol/transport.html',
  'decisions/index.html',
  'changelog.html',
  'playground.html#a=delta1&b=delta1',
  'playground.html#a=random&b=preserving',
  'playground.html#a=random&b=random',
  'playground-rooms.html',
];

const LOOKS = [
  { name: 'light', width: 1360, height: 900, isAxed: true },
  { name: 'dark', width: 1360, height: 900, isAxed: true },
  { name: 'light', width: 360, height: 740, isAxed: false },
] as const;

/** What axe tells of a page, as far as it is used here. */
interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly where: string;
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const SERIOUS = `axe.run(document, { resultTypes: ['violations'], preload: false }).then(({ violations }) =>
  violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, impact, nodes }) =>
    ({ id, impact, where: nodes.slice(0, 3).map(({ target, failureSummary }) => target.join(' ') + ' ' + failureSummary.split('\\n').slice(1).join(' ')).join('; ') })))`;

function isViolations(value: unknown): value is readonly Violation[] {
  return Array.isArray(value);
}

/**
 * The faults of the main pages.
 *
 * @param pictures a folder for a picture of each page, if pictures are wanted.
 */
export async function checkPages(
  site: string,
  pictures?: string,
): Promise<{ readonly faults: readonly string[]; readonly looks: number }> {
  // Root may not use Chromium's sandbox; /dev/shm is small in containers.
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-extensions'];
  const browser = await launch({ executablePath: CHROMIUM, args });
  const faults: string[] = [];
  try {
    for (const { name, width, height, isAxed } of LOOKS) {
      const page = await browser.newPage();
      let where = '';
      const complain = (fault: string) => faults.push(`${where}: ${fault}`);
      page.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warn') complain(message.text());
      });
      page.on('pageerror', (error) => complain(String(error)));
      page.on('request', (request) => {
        if (!/^(?:file|data):/.test(request.url())) complain(`asks for ${request.url()}`);
      });
      page.on('requestfailed', (request) => complain(`${request.url()}: ${request.failure()?.errorText ?? ''}`));
      await page.setViewport({ width, height });
      const reduced = { name: 'prefers-reduced-motion', value: 'reduce' };
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: name }, reduced]);
      for (const path of PAGES) {
        where = `${path}, ${name}, ${width} wide`;
        // Another address that differs by its end only is no other page.
        await page.goto('about:blank');
        await page.goto(`${pathToFileURL(site).href}/${path}`, { waitUntil: 'load' });
        if (path.startsWith('playground.')) await allSteps(page);
        if (path.startsWith('playground-rooms')) await saySomething(page);
        const wide = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
        if (wide !== 0) complain(`goes ${String(wide)} pixels beyond the right edge`);
        if (isAxed) {
          await page.evaluate(AXE);
          const found: unknown = await page.evaluate(SERIOUS);
          if (!isViolations(found)) throw new Error('Expected what axe has found');
          for (const { id, impact, where: at } of found) complain(`${impact} ${id} at ${at}`);
        }
        if (pictures !== undefined) {
          const file = `${path.replace(/[^a-z0-9]+/gi, '-')}-${name}-${width}.png`;
          await page.screenshot({ path: join(pictures, file), fullPage: !path.startsWith('measured') });
        }
      }
      where = `the search, ${name}, ${width} wide`;
      const hit = await searchFor(page, `${pathToFileURL(site).href}/protocol/link.html`, 'simultaneous open');
      if (!hit) complain('finds nothing, or does not lead there');
      await page.close();
    }
  } finally {
    await browser.close();
  }
  return { faults, looks: LOOKS.length * PAGES.length };
}

/** Goes through the playground by the keyboard alone. */
async function allSteps(page: Page): Promise<void> {
  await page.waitForSelector('.playground .steps > li');
  const [steps] = await Promise.all([page.$$eval('.playground .steps > li', (items) => items.length)]);
  await page.focus('.playground .actions button');
  for (let step = 1; step < steps; step++) {
    await page.focus('.playground .actions button');
    await page.keyboard.press('Enter');
  }
  await page.waitForSelector('.playground .outcome', { visible: true });
}

/** Has somebody say something in the playground of rooms, until everybody has it. */
async function saySomething(page: Page): Promise<void> {
  await page.waitForSelector('.room-actions button');
  await page.focus('.room-actions button');
  await page.keyboard.press('Enter');
  await page.waitForFunction(`/reached 24 of 24/.test(document.querySelector('#room p')?.textContent ?? '')`);
}

/** Searches by the keyboard, and goes to what comes first. */
async function searchFor(page: Page, from: string, words: string): Promise<boolean> {
  await page.goto(from, { waitUntil: 'load' });
  await page.keyboard.press('/');
  await page.keyboard.type(words);
  const found = await page.waitForSelector('.search li a').catch(() => null);
  if (found === null) return false;
  await page.keyboard.press('Enter');
  await page.waitForFunction(`!location.href.startsWith(${JSON.stringify(from)})`);
  return page.evaluate(`document.body.innerText.toLowerCase().includes('simultaneous')`).then(Boolean);
}
