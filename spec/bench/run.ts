// `node dist/spec/bench/run.js [NAME…]`: runs the benchmarks named, or all, and prints one table of ratios.
import { withActors } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { benchmarks } from './benchmarks.js';
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

const chosen = choose(process.argv.slice(2));
const rows: Ratio[] = [];
for (const { name, about, measure } of chosen) {
  console.log(`${name}: ${about}`);
  rows.push(...(await withActors(name, measure)));
}
console.log(`\n${tableOf(rows)}\n\nThe ratio is what counts; the figures beside it are of this run on this machine.`);

function choose(names: readonly string[]): readonly Benchmark[] {
  const unknown = names.filter((name) => !benchmarks.some((benchmark) => benchmark.name === name));
  if (unknown.length > 0) {
    const known = benchmarks.map(({ name }) => name).join(', ');
    throw new RangeError(`Expected benchmarks out of ${known}, got ${unknown.join(', ')}`);
  }
  return names.length === 0 ? benchmarks : benchmarks.filter(({ name }) => names.includes(name));
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
