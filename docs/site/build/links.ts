import { existsSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { Page } from './pages.js';

/** Where the repository's files can be looked at. */
export const REPOSITORY = 'https://github.com/rxp2p/rxp2p';

/** What a page refers to. */
export interface Links {
  /** The address of what a link of a document leads to, as a page of the site has it. */
  readonly hrefOf: (document: Page, target: string) => string;
  /** Files that pages refer to and that have to be in the site, by their paths from the top of the repository. */
  readonly files: ReadonlySet<string>;
}

/**
 * The way from one page to another file of the site. All links are such ways, so that the site can lie in any folder, on a disk too.
 *
 * @example
 * wayTo('protocol/link.html', 'measured.html'); // '../measured.html'
 */
export function wayTo(from: string, to: string): string {
  return posix.relative(posix.dirname(from), to);
}

/**
 * Turns links between documents into links between pages. A link to another file of `docs/` has it copied into the site; one to any
 * other file leads to the repository's page.
 *
 * @throws Error when there is no such file.
 */
export function linksBetween(root: string, pages: readonly Page[]): Links {
  const urls = new Map(pages.map(({ source, url }) => [source, url]));
  const files = new Set<string>();
  const blob = `${REPOSITORY}/blob/main/`;
  const hrefOf = (document: Page, target: string): string => {
    const isOwn = target.startsWith(blob);
    if (!isOwn && (/^[a-z][a-z0-9+.-]*:/i.test(target) || target.startsWith('#'))) return target;
    const [path = '', anchor] = (isOwn ? target.slice(blob.length) : target).split('#');
    const behind = anchor === undefined || anchor === '' ? '' : `#${anchor}`;
    const file = posix.normalize(isOwn ? path : posix.join(posix.dirname(document.source), path)).replace(/\/$/, '');
    const url = urls.get(file) ?? urls.get(posix.join(file, 'README.md'));
    if (url !== undefined) return `${wayTo(document.url, url)}${behind}`;
    if (!existsSync(join(root, file))) throw new Error(`${document.source}: ${target} leads nowhere`);
    if (statSync(join(root, file)).isDirectory()) return `${REPOSITORY}/tree/main/${file}`;
    if (!file.startsWith('docs/')) return `${blob}${file}${behind}`;
    files.add(file);
    return wayTo(document.url, file.slice('docs/'.length));
  };
  return { hrefOf, files };
}
