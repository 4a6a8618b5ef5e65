import { escape } from './html.js';
import { REPOSITORY, wayTo } from './links.js';
import type { Heading } from './markdown.js';
import type { Page, Section } from './pages.js';

/** A page, as the layout puts it together. */
export interface Layout {
  readonly url: string;
  readonly title: string;
  /** In one sentence, for search engines and previews. */
  readonly about: string;
  readonly body: string;
  readonly sections: readonly Section[];
  /** Default: none, as on pages that are not documents. */
  readonly headings?: readonly Heading[];
  /** The document, where it is one. */
  readonly page?: Page;
  /** Whether to take all the width, without the navigation beside it. */
  readonly isWide?: boolean;
  /** Programs of this page, by their paths in the site. */
  readonly scripts?: readonly string[];
}

/** Where the links in the head of each page lead. */
const PLACES = [
  ['start.html', 'Guides'],
  ['api/index.html', 'API'],
  ['protocol/index.html', 'Protocol'],
  ['playground.html', 'Playground'],
] as const;

/** Before anything is drawn, so that a chosen scheme does not flash. */
const SCHEME = `try{const s=localStorage.getItem('scheme');if(s)document.documentElement.dataset.scheme=s}catch{}`;

const ICONS = {
  search: '<circle cx="7" cy="7" r="4.5"/><path d="M10.5 10.5L14 14"/>',
  scheme: '<circle cx="8" cy="8" r="5.5"/><path d="M8 2.5a5.5 5.5 0 0 1 0 11z" fill="currentColor"/>',
  menu: '<path d="M2 4h12M2 8h12M2 12h12"/>',
} as const;

const icon = (name: keyof typeof ICONS): string =>
  `<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">${ICONS[name]}</svg>`;

export function layOut(layout: Layout): string {
  const { url, title, about, body, sections, headings = [], page, isWide = false, scripts = [] } = layout;
  const to = (target: string): string => wayTo(url, target);
  const place = (target: string, name: string): string =>
    `<a href="${to(target)}"${target === url ? ' aria-current="page"' : ''}>${name}</a>`;
  const beside = isWide ? '' : navigation(sections, url);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title === 'rxp2p' ? 'rxp2p: connect two programs wherever they are' : `${title} · rxp2p`)}</title>
<meta name="description" content="${escape(about)}">
<link rel="icon" href="${to('assets/icon.svg')}" type="image/svg+xml">
<link rel="stylesheet" href="${to('assets/site.css')}">
<script>${SCHEME}</script>
<script defer src="${to('assets/site.js')}" data-root="${to('index.html').replace(/index\.html$/, '')}"></script>
${scripts.map((script) => `<script defer src="${to(script)}"></script>`).join('\n')}
</head>
<body${isWide ? ' class="wide"' : ''}>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
<a class="brand" href="${to('index.html')}">rxp2p</a>
<nav aria-label="Site">${PLACES.map(([target, name]) => place(target, name)).join('')}</nav>
<button type="button" class="search-button" data-search hidden>${icon('search')}<span>Search</span><kbd>/</kbd></button>
<button type="button" class="icon-button" data-scheme aria-label="Light or dark" hidden>${icon('scheme')}</button>
<a class="source" href="${REPOSITORY}">Source</a>
</header>
<div class="columns">
${beside}
<main id="content" tabindex="-1">
${body}
${page === undefined ? '' : foot(sections, page)}
</main>
${isWide ? '' : contents(headings)}
</div>
</body>
</html>
`;
}

function navigation(sections: readonly Section[], url: string): string {
  const parts = sections.map(({ title, pages, isLong }) => {
    const items = pages
      .map((page) => {
        const current = page.url === url ? ' aria-current="page"' : '';
        return `<li><a href="${wayTo(url, page.url)}"${current}>${escape(page.name)}</a></li>`;
      })
      .join('');
    const isOpen = !isLong || pages.some((page) => page.url === url);
    return `<details${isOpen ? ' open' : ''}><summary>${escape(title)}</summary><ul>${items}</ul></details>`;
  });
  return `<nav class="side" aria-label="Documents"><details class="drawer" open><summary>${icon('menu')} All pages</summary>${parts.join('')}</details></nav>`;
}

/** What is on the page, where that is worth a list. */
function contents(headings: readonly Heading[]): string {
  const shown = headings.filter(({ level }) => level === 2 || level === 3);
  if (shown.length < 2) return '<div class="contents"></div>';
  const items = shown.map(
    ({ level, id, text }) => `<li class="level-${level}"><a href="#${id}">${escape(text)}</a></li>`,
  );
  return `<nav class="contents" aria-label="On this page"><p>On this page</p><ul>${items.join('')}</ul></nav>`;
}

/** The pages before and after, and where the document can be changed. */
function foot(sections: readonly Section[], page: Page): string {
  const all = sections.flatMap(({ pages }) => pages);
  const at = all.findIndex(({ source }) => source === page.source);
  const link = (other: Page | undefined, name: string): string =>
    other === undefined
      ? '<span></span>'
      : `<a href="${wayTo(page.url, other.url)}"><span>${name}</span>${escape(other.name)}</a>`;
  return `<footer><nav class="turn" aria-label="Next and previous">${link(all[at - 1], 'Previous')}${link(all[at + 1], 'Next')}</nav>
<p><a href="${REPOSITORY}/blob/main/${page.source}">This page's source</a></p></footer>`;
}
