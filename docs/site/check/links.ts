import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';

// Looks at each link of the site as it was built. A browser would say of a wrong one nothing until somebody follows it.

/** A page, with what is in it. */
interface Page {
  readonly path: string;
  readonly ids: ReadonlySet<string>;
  readonly targets: readonly Target[];
}

interface Target {
  readonly to: string;
  /** Whether the browser loads it with the page. */
  readonly isLoaded: boolean;
}

const ATTRIBUTE = /<(a|link|img|script|source|use|iframe)\b([^>]*)>/g;

function readPage(site: string, path: string): Page {
  const html = readFileSync(join(site, path), 'utf8');
  // What stands in a script is no tag.
  const tags = html.replace(/(<script\b[^>]*>).*?<\/script>/gs, '$1').replace(/<!--.*?-->/gs, '');
  const ids = new Set(Array.from(tags.matchAll(/\s(?:id|name)="([^"]*)"/g), ([, id = '']) => unescaped(id)));
  const targets = Array.from(tags.matchAll(ATTRIBUTE), ([, tag = '', attributes = '']) => {
    const [, to] = /\s(?:href|src)="([^"]*)"/.exec(attributes) ?? [];
    return to === undefined
      ? []
      : [{ to: unescaped(to), isLoaded: tag !== 'a' && !/\srel="canonical"/.test(attributes) }];
  }).flat();
  return { path, ids, targets };
}

function unescaped(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&#x27;', "'")
    .replaceAll('&amp;', '&');
}

/** What a search leads to. */
function searchPage(site: string): Page {
  const script = readFileSync(join(site, 'assets/search-index.js'), 'utf8');
  const rows: unknown = JSON.parse(script.slice(script.indexOf('=') + 1).replace(/;\n$/, ''));
  const targets = (Array.isArray(rows) ? rows : []).map((row: unknown) => ({
    to: Array.isArray(row) ? String(row[0]) : '',
    isLoaded: false,
  }));
  return { path: 'search', ids: new Set(), targets };
}

/** The links of a built site that lead nowhere, or that work in one place only; and how many were looked at. */
export function checkLinks(site: string): { readonly faults: readonly string[]; readonly count: number } {
  const paths = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.html'));
  const pages = new Map(paths.map((path) => [path, readPage(site, path)]));
  const faultOf = (page: Page, { to, isLoaded }: Target): string | undefined => {
    if (/^(?:https?:)?\/\//.test(to)) return isLoaded ? `${to} is loaded from elsewhere` : undefined;
    if (/^[a-z][a-z0-9+.-]*:/i.test(to)) return undefined;
    if (to.startsWith('/')) return `${to} works at the root of a server only`;
    const [way = '', anchor = ''] = to.split('#');
    const path =
      way === '' ? page.path : posix.join(posix.dirname(page.path), decodeURIComponent(way.replace(/\?.*$/, '')));
    const file = join(site, path);
    if (path.startsWith('..') || !existsSync(file) || statSync(file).isDirectory()) return `${to} leads nowhere`;
    const target = pages.get(path);
    const isThere =
      anchor === '' || target?.ids.has(anchor) === true || target?.ids.has(decodeURIComponent(anchor)) === true;
    return isThere || target === undefined ? undefined : `${to}: ${path} has no #${anchor}`;
  };
  const all = [...pages.values(), searchPage(site)];
  const faults = all.flatMap((page) =>
    page.targets.flatMap((target) => {
      const fault = faultOf(page, target);
      return fault === undefined ? [] : [`${page.path}: ${fault}`];
    }),
  );
  return { faults: [...new Set(faults)], count: all.reduce((sum, { targets }) => sum + targets.length, 0) };
}
