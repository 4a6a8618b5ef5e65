import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isObservable, Subject } from 'rxjs';
import ts from 'typescript';
import { createNet } from '../lib/index.js';
import { temporaryFolder } from './support/folder.js';

/** The specs run from dist/spec; what they look at here is the source. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The rooms of lib/, from the roof to the ground. `net` is net.ts and net/. */
const HOUSE: readonly string[] = [
  'cli',
  'index',
  'forward',
  'files',
  'net',
  'trace',
  'rooms',
  'pyp2p',
  'techniques',
  'peers',
  'self',
  'signalling',
  'rendezvous',
  'dht',
  'mqtt',
  'lan',
  'connection',
  'remote',
  'runtime',
  'reachability',
  'server-report',
  'server-clock',
  'port-mapping',
  'http',
  'link',
  'config',
  'operators',
  'nat',
  'pairing',
  'unl',
  'pyp2p/wire',
  'bounds',
  'certificate',
  'signed-request',
  'parcel',
  'rendezvous-name',
  'stun',
  'broker-name',
  'identity',
  'key-bytes',
  'packages',
  'new-file',
  'descriptors',
  'unguessable',
  'endpoint',
  'validate',
  'errors',
  'words',
];

/** The rooms of servers/, from the roof to the ground. `dht` is dht.ts. */
const SERVERS: readonly string[] = [
  'index',
  'serve',
  'limits',
  'admin',
  'rendezvous',
  'mailbox',
  'relay',
  'reachability',
  'dht',
  'lines',
  'http',
  'tls',
  'callers',
  'store',
  'unread',
  'timers',
  'host-names',
  'watch',
  'drain',
  'network',
  'version',
];

/** A source file and those that it imports, by their paths from the top. */
interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

function sourcesIn(folder: string): Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const path = join(folder, name);
      const text = readFileSync(join(ROOT, path), 'utf8');
      const imports = ts
        .preProcessFile(text)
        .importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
        .map(({ fileName }) => join(dirname(path), fileName.replace(/\.js$/, '.ts')));
      return { path, text, imports };
    });
}

/**
 * `lib/unl/types.ts` is in the room `unl`, as is `lib/unl.ts`; `servers/dht.ts` is in the room `dht`. PyP2P's pure codecs have a room of
 * their own below those that plug them in.
 */
function roomOf(path: string): string {
  if (path.startsWith('lib/pyp2p/wire/')) return 'pyp2p/wire';
  const [top, room = ''] = path.split('/');
  return top === 'lib' || top === 'servers' ? room.replace(/\.ts$/, '') : (top ?? '');
}

/** The imports of files of one house that go to a room above their own. */
function upwardsIn(house: readonly string[], top: string, sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, imports }) =>
    imports
      .filter((target) => target.startsWith(top))
      .filter((target) => house.indexOf(roomOf(target)) < house.indexOf(roomOf(path)))
      .map((target) => `${path} → ${target}`),
  );
}

/** How a file imports itself, if it does. */
function cycleFrom(start: string, sources: ReadonlyMap<string, Source>): string[] | undefined {
  const queue: string[][] = [[start]];
  const visited = new Set<string>();
  for (let way = queue.shift(); way !== undefined; way = queue.shift()) {
    for (const next of sources.get(way.at(-1) ?? '')?.imports ?? []) {
      if (next === start) return [...way, next];
      if (visited.has(next)) continue;
      visited.add(next);
      queue.push([...way, next]);
    }
  }
  return undefined;
}

/** Every place where a file names something that a program writes to the terminal with. */
function writesToTerminal({ path, text }: Source): string[] {
  const found: string[] = [];
  // Parsing takes a thousand times as long.
  if (!/console|stdout|stderr/.test(text)) return found;
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest);
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && ['console', 'stdout', 'stderr'].includes(node.text)) {
      const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
      found.push(`${path}:${line + 1} ${node.text}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** Whether a file has a text of exactly these words. */
function isSaidIn(path: string, text: string, words: string): boolean {
  if (!text.includes(words)) return false;
  let isSaid = false;
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) && node.text === words) isSaid = true;
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest));
  return isSaid;
}

describe('the house', () => {
  const lib = sourcesIn('lib');
  const servers = sourcesIn('servers');

  it('has a place for every room', () => {
    for (const [house, sources] of [
      [HOUSE, lib],
      [SERVERS, servers],
    ] as const) {
      const rooms = new Set(sources.map(({ path }) => roomOf(path)));
      expect([...rooms].filter((room) => !house.includes(room))).toEqual([]);
      expect(house.filter((room) => !rooms.has(room))).toEqual([]);
    }
  });

  it('matches the picture in docs/architecture.md', () => {
    const [, picture = ''] =
      /## The house.*?```\n(lib\/.*?)```/s.exec(readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8')) ?? [];
    const drawn = new Set(picture.match(/[a-z0-9-]+\.ts/g));
    const files = [...lib, ...servers].map(({ path }) => path);
    expect([...drawn].filter((name) => !files.some((path) => path.endsWith(`/${name}`)))).toEqual([]);
    const rooms = HOUSE.map((room) => lib.map(({ path }) => path).filter((path) => roomOf(path) === room));
    expect(
      rooms
        .flatMap((paths) => paths.filter((path) => path.split('/').length === 2))
        .filter((path) => !drawn.has(basename(path))),
    ).toEqual([]);
    const inFull = ['net', 'techniques', 'rendezvous', 'connection', 'link', 'nat', 'relay'];
    expect(
      files.filter((path) => path.startsWith('lib/') && inFull.includes(roomOf(path)) && !drawn.has(basename(path))),
    ).toEqual([]);
    expect(servers.map(({ path }) => path).filter((path) => !drawn.has(basename(path)))).toEqual([]);
  });

  it('has one direction: a room imports only from rooms below it', () => {
    expect(upwardsIn(HOUSE, 'lib/', lib)).toEqual([]);
    expect(upwardsIn(SERVERS, 'servers/', servers)).toEqual([]);
  });

  it('has no circular imports, within a room either', () => {
    const sources = new Map([...lib, ...servers].map((source) => [source.path, source]));
    const cycles = [...sources.keys()].flatMap((path) => cycleFrom(path, sources)?.join(' → ') ?? []);
    expect(cycles).toEqual([]);
  });

  it('has no file that is longer than 400 lines', () => {
    const long = [...lib, ...servers].filter(({ text }) => text.split('\n').length > 400);
    expect(long.map(({ path }) => path)).toEqual([]);
  });

  it('has one list of techniques, and nothing else that knows one from another', () => {
    const techniques = [
      'lib/techniques/direct.ts',
      'lib/techniques/punch/punch.ts',
      'lib/techniques/reverse-connect/reverse-connect.ts',
      'lib/techniques/relay/relay.ts',
      'lib/techniques/turn/turn.ts',
      'lib/pyp2p/challenge-node.ts',
      'lib/pyp2p/reverse-query-node.ts',
    ];
    const importing = lib.filter(({ imports }) => imports.some((target) => techniques.includes(target)));
    // PyP2P's challenge is a punch, too; direct.ts also knows where a peer that asks may be dialled.
    const others = [
      'lib/pyp2p/challenge-node.ts',
      'lib/techniques/reverse-connect/dial.ts',
      'lib/techniques/reverse-connect/answer.ts',
    ];
    expect(importing.map(({ path }) => path).filter((path) => !others.includes(path))).toEqual([
      'lib/net/techniques.ts',
    ]);
  });

  it('knows of PyP2P in a few places, where its folder is plugged in', () => {
    const pluggedIn = (room: string) =>
      [...lib, ...servers]
        .filter(({ path }) => !path.startsWith('lib/pyp2p/'))
        .filter(({ imports }) => imports.some((target) => target.startsWith('lib/') && roomOf(target) === room))
        .map(({ path }) => path);
    expect(pluggedIn('pyp2p')).toEqual(['lib/net/security.ts', 'lib/net/techniques.ts']);
    expect(pluggedIn('pyp2p/wire')).toEqual([
      'lib/index.ts',
      'lib/unl.ts',
      'lib/unl/types.ts',
      'servers/rendezvous/protocols.ts',
      'servers/rendezvous/pyp2p-waits.ts',
      'servers/rendezvous/pyp2p.ts',
    ]);
  });

  it('asks in one place for the option `security`', () => {
    const asking = [...lib, ...servers].filter(({ path, text }) =>
      ['tls', 'plain'].some((choice) => isSaidIn(path, text, choice)),
    );
    // The option is declared and checked where every option is.
    expect(asking.map(({ path }) => path)).toEqual(['lib/config.ts', 'lib/config/resolve.ts', 'lib/net/security.ts']);
  });

  it('needs no server, but for the command that runs them', () => {
    const needing = lib.filter(({ imports }) => imports.some((target) => target.startsWith('servers/')));
    expect(needing.map(({ path }) => path)).toEqual(['lib/cli/log.ts', 'lib/cli/serve-config.ts', 'lib/cli/serve.ts']);
  });

  it('has servers that import only from the lower rooms, never from those of a node', () => {
    // What both sides say is pure, in whichever room it is.
    const pure = [
      'lib/signalling/carriers/mailbox-lines.ts',
      'lib/signalling/carriers/mailbox-messages.ts',
      'lib/techniques/relay/protocol.ts',
    ];
    const imported = servers
      .flatMap(({ imports }) => imports)
      .filter((path) => path.startsWith('lib/') && !pure.includes(path));
    const rooms = new Set(imported.map(roomOf));
    expect([...rooms].filter((room) => HOUSE.indexOf(room) < HOUSE.indexOf('rendezvous'))).toEqual([]);
    expect(rooms.has('rendezvous')).toBeTrue();
    // A session of a client is no connection of a peer: it needs lines, a few timers, and a store.
    expect(rooms.has('connection')).toBeFalse();
    expect(imported.filter((path) => /link\/(?:framed-link|frames)\.ts$/.test(path))).toEqual([]);
  });

  it('never writes to the terminal, but for the command line', () => {
    const silent = [...lib, ...servers].filter(({ path }) => !path.startsWith('lib/cli/'));
    expect(silent.flatMap(writesToTerminal)).toEqual([]);
    expect(lib.filter(({ path }) => roomOf(path) === 'cli').flatMap(writesToTerminal)).not.toEqual([]);
  });
});

describe('what is public', () => {
  it('is never a Subject, in no declaration', () => {
    const folder = join(ROOT, 'dist/lib');
    const declarations = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.d.ts'),
    );
    const withSubjects = declarations.filter((name) =>
      // Comments may speak of one.
      /\b\w*Subject</.test(readFileSync(join(folder, name), 'utf8').replace(/\/\*\*.*?\*\//gs, '')),
    );
    expect(declarations).toContain('net.d.ts');
    expect(withSubjects).toEqual([]);
  });

  it('is never a Subject typed as an Observable', () => {
    const net = createNet({ mode: 'direct' });
    const streams = Object.entries(net).filter(([, value]) => isObservable(value));
    expect(streams.map(([name]) => name)).toEqual(
      jasmine.arrayContaining(['unl$', 'connections$', 'lines$', 'neighbours$', 'status$', 'trace$']),
    );
    expect(streams.filter(([name, value]) => value instanceof Subject || !name.endsWith('$'))).toEqual([]);
  });
});

describe('What is loaded', () => {
  const path = temporaryFolder();
  let runs = 0;

  /** Runs Node, and tells which files it has loaded, by their paths from the top: V8 writes down every script. */
  function run(...args: readonly string[]) {
    const written = path(String(runs++));
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: ROOT,
      env: { ...process.env, NODE_V8_COVERAGE: written },
      encoding: 'utf8',
      timeout: 100_000,
    });
    const scripts = readdirSync(written).map((name) => readFileSync(join(written, name), 'utf8'));
    const urls = scripts.flatMap((json) => Array.from(json.matchAll(/"url":"(file:[^"]+)"/g), ([, url = '']) => url));
    const files = urls.map((url) => relative(ROOT, fileURLToPath(url)));
    const packages = files.flatMap((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []);
    return {
      status,
      stdout,
      stderr,
      packages: [...new Set(packages)].sort(),
      own: files.filter((file) => file.startsWith('dist/')),
    };
  }

  it('by an import is what a program needs before a net starts; it says nothing and keeps no process alive', () => {
    const { status, stdout, stderr, packages, own } = run('--input-type=module', '--eval', "import 'rxp2p'");
    expect([status, stdout, stderr]).toEqual([0, '', '']);
    expect(packages).toEqual(['ipaddr.js', 'rxjs']);
    expect(own).toContain('dist/lib/net.js');
    expect(own.filter((file) => !file.startsWith('dist/lib/'))).toEqual([]);
    const runsBy = [
      'cli',
      'pyp2p',
      'techniques',
      'peers',
      'signalling',
      'rendezvous',
      'dht',
      'mqtt',
      'lan',
      'connection',
      'http',
    ];
    expect(own.filter((file) => runsBy.includes(roomOf(file.slice('dist/'.length))))).toEqual([]);
  });

  it('by rxp2p --version is next to nothing, and for its help no RxJS', () => {
    const version = run('dist/lib/cli/rxp2p.js', '--version');
    expect([version.status, version.packages]).toEqual([0, []]);
    expect(version.own).toContain('dist/lib/cli/rxp2p.js');
    expect(version.own).not.toContain('dist/lib/cli/program.js');
    const help = run('dist/lib/cli/rxp2p.js', 'connect', '--help');
    expect([help.status, help.packages]).toEqual([0, ['commander']]);
    expect(help.own).not.toContain('dist/lib/net.js');
  });
});
