import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** A document that becomes a page. */
export interface Page {
  /** Its path from the top of the repository. */
  readonly source: string;
  /** The path of its page in the site. */
  readonly url: string;
  /** Its first heading. */
  readonly title: string;
  /** Its name in the navigation. */
  readonly name: string;
  readonly text: string;
}

/** Pages that belong together in the navigation. */
export interface Section {
  readonly title: string;
  readonly pages: readonly Page[];
  /** Shown closed, except on its own pages. */
  readonly isLong: boolean;
}

/** The order of the navigation, each document with its name there. Those of a folder that are not listed follow by their names. */
const ORDER: readonly {
  title: string;
  isLong?: true;
  folder?: string;
  pages: readonly (readonly [string, string])[];
}[] = [
  {
    title: 'Start',
    pages: [
      ['docs/start.md', 'Start here'],
      ['README.md', 'Overview'],
      ['docs/which-servers.md', 'Which servers'],
      ['docs/command-line.md', 'Command line'],
      ['docs/runtimes.md', 'Bundlers, Bun and Deno'],
    ],
  },
  {
    title: 'Guides',
    folder: 'docs',
    pages: [
      ['docs/lines.md', 'Lines'],
      ['docs/channels.md', 'Channels'],
      ['docs/observables.md', 'Remote Observables'],
      ['docs/rooms.md', 'Rooms'],
      ['docs/files.md', 'Files'],
      ['docs/forwarding.md', 'Forwarding'],
      ['docs/reaching-nodes.md', 'Reach and relays'],
      ['docs/without-servers-of-ours.md', 'LAN, MQTT, STUN, TURN'],
      ['docs/debugging-a-punch.md', 'Debugging a punch'],
      ['docs/security.md', 'Security'],
      ['docs/pyp2p.md', 'For users of PyP2P'],
    ],
  },
  {
    title: 'Servers',
    pages: [
      ['docs/deploying.md', 'Deploying'],
      ['docs/scaling.md', 'Scaling'],
    ],
  },
  { title: 'Protocol', folder: 'docs/protocol', isLong: true, pages: [['docs/protocol/README.md', 'Overview']] },
  {
    title: 'Background',
    pages: [
      ['docs/architecture.md', 'Architecture'],
      ['docs/measured.md', 'Measured'],
      ['docs/limits.md', 'Limits'],
      ['spec/lab/README.md', 'The lab'],
      ['CHANGELOG.md', 'Changelog'],
      ['CONTRIBUTING.md', 'Contributing'],
      ['SECURITY.md', 'Reporting a hole'],
    ],
  },
  {
    title: 'Decisions',
    folder: 'docs/decisions',
    isLong: true,
    pages: [['docs/decisions/README.md', 'All decisions']],
  },
];

/** Documents whose page is not named after them: `README.md` is one in each folder, and two are called security. */
const URLS: Readonly<Record<string, string>> = {
  'README.md': 'overview.html',
  'spec/lab/README.md': 'lab.html',
  'SECURITY.md': 'reporting.html',
};

/**
 * The path of a document's page in the site.
 *
 * @example
 * urlOf('docs/protocol/README.md'); // 'protocol/index.html'
 */
export function urlOf(source: string): string {
  const own = URLS[source];
  if (own !== undefined) return own;
  const inSite = source.startsWith('docs/') ? source.slice('docs/'.length) : source.toLowerCase();
  return inSite.replace(/README\.md$/, 'index.md').replace(/\.md$/, '.html');
}

/** All pages that documents become, in the order of the navigation. */
export function readSections(root: string): readonly Section[] {
  const listed = new Set(ORDER.flatMap(({ pages }) => pages.map(([source]) => source)));
  const page = (source: string, name?: string): Page => {
    const text = readFileSync(join(root, source), 'utf8');
    const title = (/^# +(.+)$/m.exec(text)?.[1] ?? source).replaceAll('`', '');
    return { source, url: urlOf(source), title, name: name ?? title.replace(/: .*/, ''), text };
  };
  return ORDER.map(({ title, pages, folder, isLong = false }) => {
    const others = folder === undefined ? [] : readdirSync(join(root, folder)).filter((name) => name.endsWith('.md'));
    return {
      title,
      isLong,
      pages: [
        ...pages.filter(([source]) => existsSync(join(root, source))).map(([source, name]) => page(source, name)),
        ...others
          .map((name) => posix.join(folder ?? '', name))
          .filter((source) => !listed.has(source))
          .sort()
          .map((source) => page(source)),
      ],
    };
  });
}
