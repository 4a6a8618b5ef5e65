/**
 * `npm run consumers`: the package as it would be published, installed into an empty folder by an application that has nothing else, compiled
 * by the versions of TypeScript that applications have, in each way of resolving modules, and run. Also how much it brings along.
 * Ends with status 1 and the list of what is wrong when anything is.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { APPLICATION, EXPECTED } from './application.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The oldest whose syntax our declarations keep to, those on the way, and the newest. */
const TYPESCRIPTS = ['5.0', '5.4', '5.9', '6.0', '7.0'] as const;

/** How an application resolves modules, and whether its own files are ES modules. */
interface Way {
  readonly type: 'module' | 'commonjs';
  readonly options: Readonly<Record<string, string>>;
  /** Versions of TypeScript that do not have it (any more). */
  readonly not?: readonly string[];
}

const WAYS: Readonly<Record<string, Way>> = {
  nodenext: { type: 'module', options: { module: 'nodenext', moduleResolution: 'nodenext' } },
  bundler: { type: 'module', options: { module: 'esnext', moduleResolution: 'bundler' } },
  // Before 5.8 TypeScript does not know that Node lets CommonJS require an ES module, and refuses.
  'nodenext from CommonJS': {
    type: 'commonjs',
    options: { module: 'nodenext', moduleResolution: 'nodenext' },
    not: ['5.0', '5.4'],
  },
  'CommonJS as it was': {
    type: 'commonjs',
    options: { module: 'commonjs', moduleResolution: 'node10' },
    not: ['6.0', '7.0'],
  },
};

/** What an application takes on that asks for none of the optional packages. */
const MOST_PACKAGES = 50;
const MOST_MEGABYTES = 20;

const faults: string[] = [];

/** What a command prints; what it has printed is part of the error when it fails. */
function output(command: string, args: readonly string[], cwd: string): string {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trimEnd();
  } catch (error) {
    const printed = ['stdout', 'stderr'].map((stream) => printedOn(stream, error)).join('');
    throw new Error(`\`${[command, ...args].join(' ')}\` failed:\n${printed}`, { cause: error });
  }
}

/** What Node keeps in the error of a command that has failed. */
const printedOn = (stream: string, error: unknown): string =>
  error instanceof Error ? String(Object.getOwnPropertyDescriptor(error, stream)?.value ?? '') : '';

/** Does one thing, and tells how it went. */
function check(what: string, work: () => void): void {
  try {
    work();
    console.log(`ok    ${what}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.log(`FAIL  ${what}\n${reason}`);
    faults.push(what);
  }
}

const expectAtMost = (found: number, most: number, unit: string): void => {
  if (found > most) throw new Error(`Expected at most ${most} ${unit}, got ${found}`);
};

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(folder, name)))
    .reduce((sum, stats) => (stats.isFile() ? sum + stats.size : sum), 0);
}

const install = (folder: string, ...packages: readonly string[]): string =>
  output('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--omit=optional', ...packages], folder);

// Outside this repository, so that no package is found further up.
const folder = mkdtempSync(join(tmpdir(), 'rxp2p-consumers-'));
const tools = join(folder, 'tools');
try {
  const packed = output('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], ROOT);
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  install(folder, join(folder, packed), 'rxjs@^7');
  measure(folder);

  install(folder, '--save-dev', '@types/node@20');
  // Apart, since the newest comes as optional packages.
  mkdirSync(tools);
  writeFileSync(join(tools, 'package.json'), '{ "private": true }');
  const compilers = TYPESCRIPTS.map((version) => `typescript-${version}@npm:typescript@~${version}.0`);
  output('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...compilers], tools);
  for (const version of TYPESCRIPTS) {
    for (const [name, way] of Object.entries(WAYS)) {
      if (way.not?.includes(version) === true) continue;
      check(`TypeScript ${version}, ${name}`, () => {
        compileAndRun(folder, version, way);
      });
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
if (faults.length > 0) console.log(`\n${faults.length} of these failed: ${faults.join('; ')}`);
process.exitCode = faults.length > 0 ? 1 : 0;

/** The packages and bytes that an application takes on, beside rxjs, which it has. */
function measure(folder: string): void {
  const names = output('npm', ['ls', '--all', '--parseable', '--omit=optional'], folder).split('\n').slice(1);
  check(`${names.length} packages (at most ${MOST_PACKAGES})`, () => {
    expectAtMost(names.length, MOST_PACKAGES, 'packages');
  });
  const modules = join(folder, 'node_modules');
  const megabytes = Math.round((bytesIn(modules) - bytesIn(join(modules, 'rxjs'))) / 1e5) / 10;
  check(`${megabytes} MB beside rxjs (at most ${MOST_MEGABYTES})`, () => {
    expectAtMost(megabytes, MOST_MEGABYTES, 'MB');
  });
  check('nothing is run when it is installed', () => {
    for (const script of ['preinstall', 'install', 'postinstall']) {
      const having = output('npm', ['query', `:attr(scripts, [${script}])`], folder);
      if (having !== '[]') throw new Error(`Expected no package with the script ${script}, got ${having}`);
    }
  });
}

/** The strictest settings, and the libraries' own declarations checked, too. */
function compileAndRun(folder: string, version: string, { type, options }: Way): void {
  const application = join(folder, 'application');
  rmSync(application, { recursive: true, force: true });
  mkdirSync(application);
  writeFileSync(join(application, 'package.json'), JSON.stringify({ type }));
  writeFileSync(join(application, 'application.ts'), APPLICATION);
  const compilerOptions = {
    ...options,
    target: 'es2022',
    lib: ['es2023'],
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    outDir: '.',
  };
  writeFileSync(join(application, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['application.ts'] }));
  output(process.execPath, [join(tools, 'node_modules', `typescript-${version}`, 'bin', 'tsc'), '-p', application], folder); // prettier-ignore
  const said = output(process.execPath, [join(application, 'application.js')], folder);
  if (said !== EXPECTED) throw new Error(`Expected the application to print ${EXPECTED}, got ${said}`);
}
