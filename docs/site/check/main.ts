// Looks at the site that `npm run docs` has built: each link, and the main pages in Chromium. Fails when something is wrong.
//
//   npm run docs:check
import { existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { checkPages, CHROMIUM } from './browser.js';
import { checkLinks } from './links.js';

const SITE = fileURLToPath(new URL('../../../site', import.meta.url));

if (!existsSync(`${SITE}/index.html`)) throw new Error('There is no site: run `npm run docs` first');
const { faults, count } = checkLinks(SITE);
console.log(`${count} links looked at`);
const all = [...faults];
if (existsSync(CHROMIUM)) {
  const pictures = process.env['RXP2P_PICTURES'];
  if (pictures !== undefined) mkdirSync(pictures, { recursive: true });
  const seen = await checkPages(SITE, pictures);
  console.log(`${seen.looks} looks at pages`);
  all.push(...seen.faults);
} else if (process.env['RXP2P_REQUIRE_ALL'] === '1') {
  all.push('this check needs chromium (Debian package chromium)');
} else {
  console.log('pages are not looked at: this check needs chromium (Debian package chromium)');
}
for (const fault of all) console.error(fault);
process.exitCode = all.length === 0 ? 0 : 1;
