/**
 * `npm run runtimes [-- --only NAME,…] [--whole NAME,…]`: what an application does most, on each runtime that people have, by specs that the
 * runtime itself runs; the whole suite on those that `--whole` names. Ends with status 1 when any fails.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const JASMINE = ['node_modules/jasmine/bin/jasmine.js', '--config=spec/support/jasmine.mjs'];

/** The examples are what an application does: lines, channels, remote Observables, relays, moves, files. */
const NODE_SPECS = ['examples', 'channels', 'remote', 'connection', 'signalling/hpke', 'signalling/envelope'];

/** jasmine's own workers and many specs' clocks are Node's: what runs here is whole programs, and what is sealed for others. */
const OTHER_SPECS = ['signalling/hpke', 'signalling/envelope'];
const EXAMPLES = ['demo', 'direct', 'channels', 'remote', 'moving', 'transfer', 'forward'];
const OTHER_PROGRAMS = [...EXAMPLES.map((name) => `examples/${name}`), 'spec/support/bundled-app'];

/** A run that hangs has failed: each takes a minute or two, … */
const LIMIT_MS = 600_000;

/** … and the whole suite four on a quiet machine. */
const WHOLE_LIMIT_MS = 1_500_000;

interface Runtime {
  /** The package that has its program, and where that is in it. */
  readonly package: string;
  readonly program: string;
  readonly args?: readonly string[];
  readonly isNode?: true;
}

const nodePackage = `node-${process.platform}-${process.arch}`;
const node = (version: string): Runtime => ({
  package: `${nodePackage}@${version}`,
  program: `${nodePackage}/bin/node`,
  isNode: true,
});

const RUNTIMES: Readonly<Record<string, Runtime>> = {
  'node-20': node('20.19'),
  'node-22': node('22'),
  'node-24': node('24'),
  'node-26': node('26'),
  bun: { package: 'bun@1.4.5', program: '.bin/bun' },
  deno: { package: 'deno@2.9.6', program: '.bin/deno', args: ['run', '--allow-all'] },
};

const fault = (name: string): Error =>
  new Error(`Expected names out of ${Object.keys(RUNTIMES).join(', ')}, got ${name}`);
const namesIn = (list: string): readonly string[] => {
  const names = list.split(',').filter((name) => name !== '');
  for (const name of names) if (!Object.hasOwn(RUNTIMES, name)) throw fault(name);
  return names;
};

/** Whether a command ends with status 0. */
function run(command: string, args: readonly string[], timeout = LIMIT_MS): boolean {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', timeout });
  if (error !== undefined) console.error(error.message);
  return status === 0;
}

/** Brings a runtime, as its package has it. */
function programOf(folder: string, { package: spec, program }: Runtime): string {
  const install = ['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', folder, spec];
  if (!run('npm', install)) throw new Error(`${spec} could not be installed`);
  return join(folder, 'node_modules', program);
}

/** What fails on a runtime. */
function failuresOn(folder: string, runtime: Runtime, isWhole: boolean): readonly string[] {
  const program = programOf(folder, runtime);
  const start = (...args: readonly string[]): boolean => run(program, [...(runtime.args ?? []), ...args]);
  const specs = (names: readonly string[]): string[] => [
    ...JASMINE,
    ...names.map((spec) => `dist/spec/${spec}.spec.js`),
  ];
  if (runtime.isNode === true) {
    const isGood = isWhole
      ? run(program, [...JASMINE, '--parallel=6'], WHOLE_LIMIT_MS)
      : start(...specs(NODE_SPECS), '--parallel=3');
    return isGood ? [] : ['the specs'];
  }
  return [
    ...OTHER_PROGRAMS.filter((file) => !start(`dist/${file}.js`)),
    ...(start(...specs(OTHER_SPECS)) ? [] : ['the specs of sealed messages']),
  ];
}

const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, whole: { type: 'string', default: '' } },
});
const [only, whole] = [namesIn(values.only), namesIn(values.whole)];
const faults = Object.entries(RUNTIMES)
  .filter(([name]) => only.length === 0 || only.includes(name))
  .map(([name, runtime]) => {
    console.log(`\n— ${name}`);
    const folder = mkdtempSync(join(tmpdir(), 'rxp2p-runtimes-'));
    try {
      return { name, failures: failuresOn(folder, runtime, whole.includes(name)) };
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
console.log('');
for (const { name, failures } of faults) {
  console.log(failures.length === 0 ? `ok    ${name}` : `FAIL  ${name}: ${failures.join(', ')}`);
}
process.exitCode = faults.some(({ failures }) => failures.length > 0) ? 1 : 0;
