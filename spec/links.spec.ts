import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Links to the repository's own page lead to these files, too. */
const OWN_PAGES = 'https://github.com/rxp2p/rxp2p/blob/main/';

/** Folders with documents that are not ours. */
const FOREIGN = ['node_modules', 'dist', 'coverage', '.git'];

interface Link {
  readonly document: string;
  readonly target: string;
}

/** Every Markdown document of the repository, by its path from the top. */
function documentsIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return FOREIGN.includes(entry.name) ? [] : documentsIn(path);
    return entry.name.endsWith('.md') ? [relative(ROOT, path)] : [];
  });
}

/** Without its code, in which a bracket is no link and `#` no heading. */
function proseOf(document: string): string {
  return readFileSync(join(ROOT, document), 'utf8').replace(/^(```|~~~).*?^\1/gms, '');
}

/** Those of `[text](target)`, `![text](target)` and `[name]: target`. */
function linksOf(document: string): Link[] {
  const prose = proseOf(document).replace(/`[^`\n]*`/g, '``');
  return [/\]\(<?([^\s)>]+)>?(?: "[^"]*")?\)/g, /^\[[^\]]+\]: (\S+)/gm].flatMap((pattern) =>
    Array.from(prose.matchAll(pattern), ([, target = '']) => ({ document, target })),
  );
}

/** The anchors that GitHub gives to the headings of a document. */
function anchorsOf(document: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of proseOf(document).matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const words = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1');
    const slug = words
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let again = 1; anchors.has(anchor); again++) anchor = `${slug}-${again}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** What is wrong with a link, if anything is; links to other sites are not followed. */
function faultOf({ document, target }: Link): string | undefined {
  const own = target.startsWith(OWN_PAGES) ? target.slice(OWN_PAGES.length) : undefined;
  if (own === undefined && /^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined;
  const [path = '', anchor] = (own ?? target).split('#');
  const base = own === undefined ? dirname(document) : '';
  const file = path === '' && own === undefined ? document : join(base, decodeURIComponent(path));
  if (!existsSync(join(ROOT, file))) return `${document}: ${target} leads nowhere`;
  if (anchor === undefined || anchor === '') return undefined;
  if (statSync(join(ROOT, file)).isDirectory() || !file.endsWith('.md')) return `${document}: ${target} is no heading`;
  return anchorsOf(file).has(decodeURIComponent(anchor)) ? undefined : `${document}: ${file} has no heading #${anchor}`;
}

/** Names of our own files in a document's code, such as `lib/net.ts`. Those with a part in capitals stand for others. */
function filesNamedIn(document: string): string[] {
  const names = proseOf(document).matchAll(/`((?:lib|servers|spec|docs|examples)\/[a-z0-9./-]*)`/g);
  return Array.from(names, ([, name = '']) => name);
}

describe('The documents', () => {
  const documents = documentsIn(ROOT);

  it('link to files and headings that are there', () => {
    const links = documents.flatMap(linksOf);
    expect(documents).toContain('README.md');
    expect(links.length).toBeGreaterThan(20);
    expect(links.map(faultOf).filter((fault) => fault !== undefined)).toEqual([]);
  });

  it('have no semicolon in a diagram, where it would end the statement', () => {
    const diagrams = documents.flatMap((document) =>
      Array.from(
        readFileSync(join(ROOT, document), 'utf8').matchAll(/^```mermaid\n(.*?)^```/gms),
        ([, diagram = '']) => diagram,
      ),
    );
    expect(diagrams.length).toBeGreaterThan(0);
    expect(diagrams.flatMap((diagram) => diagram.split('\n')).filter((line) => line.includes(';'))).toEqual([]);
  });

  it('name files that are there', () => {
    const lost = documents.flatMap((document) =>
      filesNamedIn(document)
        .filter((name) => !existsSync(join(ROOT, name)))
        .map((name) => `${document}: ${name} is not there`),
    );
    expect(lost).toEqual([]);
  });

  it('are all linked to from another, so that they are found', () => {
    const found = new Set(
      documents
        .flatMap(linksOf)
        .filter(({ target }) => !target.includes('://') || target.startsWith(OWN_PAGES))
        .map(({ document, target }) => {
          const [path = ''] = target.split('#');
          return path.startsWith(OWN_PAGES) ? path.slice(OWN_PAGES.length) : join(dirname(document), path);
        }),
    );
    const lost = documents.filter((document) => !found.has(document));
    // The top of the README is where one begins, and GitHub shows the changelog of each release.
    expect(lost.filter((document) => !['README.md', 'CHANGELOG.md'].includes(document))).toEqual([]);
  });
});

/** `a/{b,c}.js` is `a/b.js` and `a/c.js`, as a shell has it. */
function expanded(pattern: string): string[] {
  const [, before = '', choices, after = ''] = /^([^{]*)\{([^}]*)\}(.*)$/.exec(pattern) ?? [];
  if (choices === undefined) return [pattern];
  return choices.split(',').flatMap((choice) => expanded(`${before}${choice}${after}`));
}

describe('What CI runs', () => {
  it('is there: jasmine says of a spec that is not there only that it has found fewer', () => {
    const named = Array.from(
      readFileSync(join(ROOT, '.ci/run'), 'utf8').matchAll(/dist\/\S+\.js(?!on)/g),
      ([path]) => path,
    );
    expect(named.length).toBeGreaterThan(5);
    const sources = named.flatMap(expanded).map((path) => path.replace(/^dist\//, '').replace(/\.js$/, '.ts'));
    const lost = sources.filter((path) => {
      const folder = join(ROOT, dirname(path));
      if (!path.endsWith('/*.spec.ts')) return !existsSync(join(ROOT, path));
      return !existsSync(folder) || !readdirSync(folder).some((name) => name.endsWith('.spec.ts'));
    });
    expect(lost).toEqual([]);
  });
});
