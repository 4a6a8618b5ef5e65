// Builds the site into dist/site: pages of the documents, the API reference, a search, and the playground. Links are relative, and
// nothing is loaded from elsewhere, so that the site works in any folder of any server and from a disk.
//
//   npm run docs
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { writeApi } from './api.js';
import { createHighlight } from './highlight.js';
import { homePage } from './home.js';
import { createNeeds } from './imports.js';
import { layOut } from './layout.js';
import { linksBetween } from './links.js';
import { markdownRenderer } from './markdown.js';
import { readSections, type Page } from './pages.js';
import { playgroundPage, roomPage } from './playground.js';
import { searchScript, type SearchEntry } from './search-index.js';

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
const OUT = join(ROOT, 'dist/site');
const SITE = join(ROOT, 'docs/site');

function write(path: string, content: string): void {
  const file = join(OUT, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

/** The programs of the pages, each as one classic script, which a page from a disk may load, too. */
async function writeScripts(): Promise<void> {
  await build({
    entryPoints: {
      site: join(SITE, 'client/main.ts'),
      playground: join(SITE, 'client/playground/main.ts'),
      room: join(SITE, 'client/playground/room/main.ts'),
    },
    outdir: join(OUT, 'assets'),
    bundle: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    legalComments: 'none',
    logLevel: 'warning',
    // The one module of Node in the library's pure parts.
    alias: { 'node:util': join(SITE, 'client/node-util.ts') },
    tsconfig: join(SITE, 'client/tsconfig.json'),
  });
}

/** What a document is about: its first words below its title. */
function aboutOf({ title, text }: Page): string {
  const [, words = ''] = /^# .+\n+([^#`|!<-][^]*?)\n\n/m.exec(text) ?? [];
  const plain = words.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*_]/g, '');
  return (plain === '' ? title : plain).replace(/\s+/g, ' ').slice(0, 200);
}

rmSync(OUT, { recursive: true, force: true });
const sections = readSections(ROOT);
const pages = sections.flatMap((section) => section.pages);
const links = linksBetween(ROOT, pages);
const highlight = await createHighlight();
const render = markdownRenderer(links, highlight, createNeeds(ROOT));
const entries: SearchEntry[] = [];
for (const page of pages) {
  const { html, headings, passages } = render(page);
  const { url, title } = page;
  write(url, layOut({ url, title, about: aboutOf(page), body: html, sections, headings, page }));
  for (const { id, heading, text } of passages) entries.push({ url: `${url}#${id}`, page: page.name, heading, text });
}
for (const file of links.files) cpSync(join(ROOT, file), join(OUT, file.slice('docs/'.length)), { recursive: true });
cpSync(join(SITE, 'assets'), join(OUT, 'assets'), { recursive: true });
const readme = pages.find(({ source }) => source === 'README.md')?.text ?? '';
write('index.html', layOut({ ...homePage(readme, highlight), sections }));
write('playground.html', layOut({ ...playgroundPage(), sections }));
write('playground-rooms.html', layOut({ ...roomPage(), sections }));
await writeScripts();
const names = process.argv.includes('--without-api') ? [] : await writeApi(ROOT, OUT);
write('assets/search-index.js', searchScript([...entries, ...names]));
console.log(`${pages.length + 3} pages and ${names.length} names of the API are in ${OUT}`);
