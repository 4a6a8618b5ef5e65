/**
 * `npm run release:check [-- --skip NAME,…]`: everything that a release needs but publishing it. All checks run, the quick ones first; it
 * ends with status 1 and the list of what is wrong when anything is.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseJsonObject } from '../lib/validate.js';
import { changelogFault } from './support/changelog.js';
import { unrunScripts } from './support/ci.js';
import { useInstalled } from './support/installed.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const version = String(parseJsonObject(readFileSync(join(ROOT, 'package.json'), 'utf8'))?.['version']);

/** What is wrong, in words; `undefined` when nothing is. */
type Check = () => string | undefined | Promise<string | undefined>;

const CHECKS: Readonly<Record<string, Check>> = {
  tree: () => {
    const changed = output('git', ['status', '--porcelain']);
    return changed === '' ? undefined : `not committed:\n${changed}`;
  },
  tag: () =>
    output('git', ['tag', '--list', `v${version}`]) === '' ? undefined : `the tag v${version} is there already`,
  changelog: () => changelogFault(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'), version),
  ci: () => {
    const unrun = unrunScripts(
      readFileSync(join(ROOT, 'package.json'), 'utf8'),
      readFileSync(join(ROOT, '.ci/run'), 'utf8'),
    );
    return unrun.length === 0 ? undefined : `.ci/run does not run ${unrun.join(', ')}`;
  },
  lint: () => run('npm', ['run', 'lint']),
  test: () => run('npm', ['test']),
  pack: packFault,
};

/** Packs, installs into an empty folder outside this repository, and uses what is there; publint looks at the package itself. */
async function packFault(): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'rxp2p-release-'));
  try {
    // Built already: by this script's own npm command, or it would not run.
    const name = output('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder]);
    const linted = run('npx', ['publint', '--strict', join(folder, name)]);
    if (linted !== undefined) return linted;
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    output('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', join(folder, name), 'rxjs'], folder);
    const said = output(process.execPath, [join(folder, 'node_modules/.bin/rxp2p'), '--version']);
    if (said !== version) return `the installed program says that it is ${said}, not ${version}`;
    output(process.execPath, ['--input-type=module', '--eval', "await import('rxp2p/servers')"], folder);
    for (const words of await useInstalled(folder)) console.log(words);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function output(command: string, args: readonly string[], cwd = ROOT): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8' }).trimEnd();
}

function run(command: string, args: readonly string[]): string | undefined {
  const { status } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' });
  return status === 0 ? undefined : `\`${[command, ...args].join(' ')}\` failed`;
}

const { values } = parseArgs({ options: { skip: { type: 'string', default: '' } } });
const skipped = values.skip.split(',').filter((name) => name !== '');
const unknown = skipped.filter((name) => !(name in CHECKS));
if (unknown.length > 0) {
  console.error(`Expected --skip to name checks out of ${Object.keys(CHECKS).join(', ')}, got ${unknown.join(', ')}`);
  process.exit(2);
}
const faults: string[] = [];
for (const [name, check] of Object.entries(CHECKS)) {
  const isSkipped = skipped.includes(name);
  console.log(isSkipped ? `— ${name}, skipped` : `— ${name}`);
  const fault = isSkipped ? 'skipped' : await check();
  if (fault !== undefined) faults.push(`${name}: ${fault}`);
}
console.log(
  faults.length === 0
    ? `\n${version} is ready: tag and publish it as CONTRIBUTING.md says`
    : `\n${version} is not ready:\n${faults.map((fault) => `- ${fault}`).join('\n')}`,
);
if (faults.length > 0) process.exitCode = 1;
