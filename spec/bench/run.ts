// `node --expose-gc dist/spec/bench/run.js [NAME…] [--page FILE]`: runs the benchmarks named, or all, prints each ratio as it is
// measured and all of them as one table, and writes that between the two marker comments of a page.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { withActors } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { benchmarks, together } from './benchmarks.js';
import type { Ratio } from './ratio.js';

const HEADINGS: Ratio = {
  what: 'rxp2p : alternative',
  ours: 'rxp2p',
  other: 'alternative',
  ratio: 'ratio',
  spread: 'middle half',
  target: 'target',
  verdict: '',
};

const { positionals, values } = parseArgs({ allowPositionals: true, options: { page: { type: 'string' } } });
const chosen = choose(positionals);
const rows: Ratio[] = [];
for (const { name, about, measure } of chosen) {
  console.log(`${name}: ${about}`);
  await withActors(name, async (start) => {
    for await (const row of measure(start)) {
      rows.push(row);
      console.log(`  ${wordsOf(row)}`);
    }
  });
}
const table = tableOf(rows);
console.log(`\n${table}\n\nThe ratio is what counts; the figures beside it are of this run on this machine.`);
if (values.page !== undefined) insert(values.page, table);

function choose(names: readonly string[]): readonly Benchmark[] {
  const unknown = names.filter((name) => !benchmarks.some((benchmark) => benchmark.name === name));
  if (unknown.length > 0) {
    const known = benchmarks.map(({ name }) => name).join(', ');
    throw new RangeError(`Expected benchmarks out of ${known}, got ${unknown.join(', ')}`);
  }
  const asked = new Set(names.flatMap((name) => [name, ...(together[name] ?? []).map((part) => part.name)]));
  return names.length === 0 ? benchmarks : benchmarks.filter(({ name }) => asked.has(name));
}

function insert(file: string, table: string): void {
  const page = readFileSync(file, 'utf8');
  const marked = /(<!-- bench:begin[^>]*-->\n)[^]*(<!-- bench:end -->)/;
  if (!marked.test(page)) throw new Error(`Expected the marker comments of the benchmarks in ${file}`);
  writeFileSync(
    file,
    page.replace(marked, (_, begin: string, end: string) => `${begin}\n${table}\n\n${end}`),
  );
}

function wordsOf({ what, ours, other, ratio, spread, target, verdict }: Ratio): string {
  const judged = verdict === '' ? '' : `, ${target}: ${verdict}`;
  return `${what}: ${ours} : ${other} = ${ratio} (${spread})${judged}`;
}

function tableOf(ratios: readonly Ratio[]): string {
  const cells = [HEADINGS, ...ratios].map((ratio) => [
    ratio.what,
    ratio.ours,
    ratio.other,
    ratio.ratio,
    ratio.spread,
    ratio.target,
    ratio.verdict,
  ]);
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`);
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return lines.toSpliced(1, 0, rule).join('\n');
}
