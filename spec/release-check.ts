/**
 * `npm run release:check [-- --skip NAME,…]`: everything that a release needs but publishing it. All checks run, the quick ones first; it
 * ends with status 1 and the list of what is wrong when anything is.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseJsonObject } from '../lib/validate.js';
import { changelogFault } from './support/changelog.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const version = String(parseJsonObject(readFileSync(join(ROOT, 'package.json'), 'utf8'))?.['version']);

/** What is wrong, in words; `undefined` when nothing is. */
type Check = () => string | undefined;

const CHECKS: Readonly<Record<string, Check>> = {
  tree: () => {
    const changed = output('git', ['status', '--porcelain']);
    return changed === '' ? undefined : `not committed:\n${changed}`;
  },
  tag: () =>
    output('git', ['tag', '--list', `v${version}`]) === '' ? undefined : `the tag v${version} is there already`,
  changelog: () => changelogFault(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'), version),
  lint: () => run('npm', ['run', 'lint']),
  test: () => run('npm', ['test']),
  pack: packFault,
};

/** Packs, unpacks beside our own node_modules, and has the program of the package and publint say that all is there. */
function packFault(): string | undefined {
  const folder = mkdtempSync(join(ROOT, 'dist', 'release-'));
  try {
    // Built already: by this script's own npm command, or it would not run.
    const name = output('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder]);
    output('tar', ['-xzf', join(folder, name), '-C', folder]);
    const installed = join(folder, 'package');
    const said = output(process.execPath, [join(installed, 'dist/lib/cli/rxp2p.js'), '--version']);
    if (said !== version) return `the packed program says that it is ${said}, not ${version}`;
    output(process.execPath, [
      '--input-type=module',
      '--eval',
      `await import('${join(installed, 'dist/servers/index.js')}')`,
    ]);
    return run('npx', ['publint', '--strict', join(folder, name)]);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function output(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { cwd: ROOT, encoding: 'utf8' }).trimEnd();
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
const faults = Object.entries(CHECKS).flatMap(([name, check]) => {
  if (skipped.includes(name)) return [`${name} was skipped`];
  console.log(`— ${name}`);
  const fault = check();
  return fault === undefined ? [] : [`${name}: ${fault}`];
});
console.log(
  faults.length === 0
    ? `\n${version} is ready: \`git tag v${version} && git push origin v${version} && npm publish\``
    : `\n${version} is not ready:\n${faults.map((fault) => `- ${fault}`).join('\n')}`,
);
if (faults.length > 0) process.exitCode = 1;
