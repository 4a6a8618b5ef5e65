import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT_STATUSES, exitStatusesOf } from '../../lib/cli/exit-status.js';
import { manPages } from '../../lib/cli/manual.js';
import { commandLine } from '../../lib/cli/program.js';
import { parseJsonObject } from '../../lib/validate.js';
import { temporaryFolder } from '../support/folder.js';
import { needsProgram } from '../support/proxies.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

describe('The man pages', () => {
  const program = commandLine('1.2.3');
  const pages = manPages(program, '1.2.3');
  const path = temporaryFolder();

  it('are those that package.json has installed: one of the program, and one of each command', () => {
    expect(parseJsonObject(read('package.json'))?.['man']).toEqual(pages.map(({ file }) => `./dist/man/${file}`));
    expect(pages.map(({ file }) => file)).toEqual([
      'rxp2p.1',
      ...program.commands.map((command) => `rxp2p-${command.name()}.1`),
    ]);
  });

  it('are read by man without a complaint, with every option, argument and exit status', () => {
    needsProgram('groff');
    for (const { file, text } of pages) {
      writeFileSync(path(file), text);
      const { stdout, stderr, status } = spawnSync(
        'groff',
        ['-man', '-Tutf8', '-ww', '-rLL=200n', '-P-cbou', path(file)],
        {
          encoding: 'utf8',
        },
      );
      expect([status, stderr]).withContext(file).toEqual([0, '']);
      const command = program.commands.find((each) => file === `rxp2p-${each.name()}.1`);
      const words = stdout.replaceAll(/\s+/g, ' ');
      for (const { flags } of command?.options ?? []) expect(words).withContext(file).toContain(flags);
      for (const [, said] of command === undefined ? [] : exitStatusesOf(command.name()))
        expect(words).withContext(file).toContain(said.slice(1));
      expect(words).not.toMatch(/\\|\.(?:TP|SH|nf)\b/);
    }
  });
});

describe('The exit statuses', () => {
  it('are told for each command, by its help and in the documentation', () => {
    const program = commandLine('1.2.3');
    expect(Object.keys(EXIT_STATUSES).toSorted()).toEqual(program.commands.map((each) => each.name()).toSorted());
    const [, table = ''] = /### Exit statuses\n(.*?)(?=\n## )/s.exec(read('docs/command-line.md')) ?? [];
    const rowsOf = (text: string) =>
      Array.from(text.matchAll(/^\| `([a-z]+)` +\| (\d) +\| (.*?) +\|$/gm), ([, command, status, words]) => [
        command,
        Number(status),
        words,
      ]);
    const told = Object.entries(EXIT_STATUSES).flatMap(([command, statuses]) =>
      Object.entries(statuses).map(([status, words]) => [command, Number(status), words]),
    );
    expect(rowsOf(table)).toEqual(told);
    expect(rowsOf(read('docs/files.md'))).toEqual(
      told.filter(([command]) => command === 'send' || command === 'receive'),
    );
  });
});

/** What is told on a terminal only. */
const WITHOUT_JSON = ['qr'];

describe('The events of --json', () => {
  it('are told in the documentation, each that a command reports by its name', () => {
    const files = readdirSync(join(ROOT, 'lib/cli'), { recursive: true, encoding: 'utf8' });
    const sources = files.filter((file) => file.endsWith('.ts')).map((file) => read(join('lib/cli', file)));
    const reported = sources.flatMap((source) =>
      Array.from(source.matchAll(/\b(?:report|tell)\(\s*'([a-z-]+)'/g), ([, name = '']) => name),
    );
    expect(reported).toContain('connected');
    const [, events = ''] = /### Events\n(.*?)(?=\n### )/s.exec(read('docs/command-line.md')) ?? [];
    const [, ofFiles = ''] = /## For scripts\n(.*?)(?=\n## )/s.exec(read('docs/files.md')) ?? [];
    const told = Array.from(`${events}${ofFiles}`.matchAll(/^\| (`.*?`) +\|/gm), ([, names = '']) => names).join(' ');
    for (const name of new Set(reported)) if (!WITHOUT_JSON.includes(name)) expect(told).toContain(`\`${name}\``);
  });
});
