import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseJsonObject } from '../lib/validate.js';
import { leftToCi } from './support/left-to-ci.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const manifest: Readonly<Record<string, unknown>> = parseJsonObject(read('package.json')) ?? {};

/** The files of the package as it is published, by their paths in it. */
function publishedFiles(): ReadonlySet<string> {
  const printed = execFileSync('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return new Set(Array.from(printed.matchAll(/"path": "([^"]+)"/g), ([, path = '']) => path));
}

describe('The package', () => {
  it('names no maps, since it has none: what it has of JavaScript reads as the source does', () => {
    leftToCi();
    const files = publishedFiles();
    const naming = [...files].filter((file) => /\.[jt]s$/.test(file) && read(file).includes('//# sourceMappingURL='));
    expect(naming).toEqual([]);
    expect([...files].filter((file) => file.endsWith('.map') || /^(?:lib|servers)\/.*\.ts$/.test(file))).toEqual([]);
  });

  it('has what its documents link to, but for what is linked to in the repository', () => {
    leftToCi();
    const files = publishedFiles();
    const own = `${String(manifest['homepage']).replace('#readme', '')}/blob/main/`;
    const links = ['README.md', 'CHANGELOG.md'].flatMap((document) =>
      Array.from(read(document).matchAll(/\]\(([^)#]+)[^)]*\)/g), ([, link = '']) => link),
    );
    expect(links.length).toBeGreaterThan(0);
    expect(links.filter((link) => link.startsWith(own) && !existsSync(join(ROOT, link.slice(own.length))))).toEqual([]);
    expect(links.filter((link) => !link.startsWith('https://') && !files.has(link))).toEqual([]);
  });

  it('has what servers are run with', () => {
    leftToCi();
    const files = publishedFiles();
    const deploy = ['Caddyfile', 'Containerfile', 'nginx.conf', 'rxp2p.json', 'rxp2p.service'];
    const needed = ['servers/admin/status.html', ...deploy.map((name) => `servers/deploy/${name}`)];
    expect(needed.filter((file) => !files.has(file))).toEqual([]);
  });

  it('tells where it comes from, and where to tell of faults', () => {
    for (const field of ['homepage', 'bugs', 'repository']) {
      expect(JSON.stringify(manifest[field]))
        .withContext(field)
        .toMatch(/https:\/\/github\.com\/rxp2p\/rxp2p\b/);
    }
  });

  it('is found by resolvers that do not know `exports`', () => {
    leftToCi();
    const files = publishedFiles();
    const [main, types, typesVersions, exports] = ['main', 'types', 'typesVersions', 'exports'].map(
      (field) => manifest[field],
    );
    const servers = './dist/servers/index.d.ts';
    expect(exports).toEqual(
      jasmine.objectContaining({
        '.': { types, default: main },
        './servers': jasmine.objectContaining({ types: servers }),
      }),
    );
    expect(typesVersions).toEqual({ '*': { servers: [servers] } });
    for (const file of [main, types]) expect(files.has(String(file).replace('./', ''))).toBeTrue();
  });

  it('uses the rxjs of the application, so that there is one only', () => {
    expect(manifest['peerDependencies']).toEqual(jasmine.objectContaining({ rxjs: jasmine.stringMatching(/^\^7\./) }));
    expect(manifest['dependencies']).not.toEqual(jasmine.objectContaining({ rxjs: jasmine.anything() }));
  });

  it('asks nobody for the client of Redis, which only servers that share a store need', () => {
    expect(manifest['peerDependenciesMeta']).toEqual({ ioredis: { optional: true } });
  });
});
