// `node --expose-gc dist/spec/bench/run.js [NAME…] [--page FILE]`: runs the benchmarks or groups of them that are named, `all`, or those of
// connections; prints each ratio as it is measured and all of them as one table, and puts them into that of a page.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { withActors } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { benchmarks, groups } from './benchmarks.js';
import type { Ratio } from './ratio.js';
import { insertInto, tableOf } from './table.js';

const { positionals, values } = parseArgs({ allowPositionals: true, options: { page: { type: 'string' } } });
const rows: Ratio[] = [];
const took: string[] = [];
for (const { name, about, measure } of choose(positionals)) {
  console.log(`${name}: ${about}`);
  const begun = performance.now();
  await withActors(name, async (start) => {
    for await (const row of measure(start)) {
      rows.push(row);
      console.log(`  ${wordsOf(row)}`);
    }
  });
  took.push(`${name} ${((performance.now() - begun) / 1000).toFixed(0)}`);
}
console.log(
  `\n${tableOf(rows)}\n\nThe ratio is what counts; the figures beside it are of this run on this machine. Seconds: ${took.join(', ')}.`,
);
if (values.page !== undefined) writeFileSync(values.page, insertInto(readFileSync(values.page, 'utf8'), rows));

function choose(names: readonly string[]): readonly Benchmark[] {
  if (names.length === 0) return groups.connections;
  const byName = new Map<string, readonly Benchmark[]>([
    ['all', benchmarks],
    ...benchmarks.map((benchmark) => [benchmark.name, [benchmark]] as const),
    ...Object.entries(groups),
  ]);
  const chosen = new Set(
    names.flatMap((name) => {
      const named = byName.get(name);
      if (named === undefined)
        throw new RangeError(`Expected names out of ${[...byName.keys()].join(', ')}; got ${name}`);
      return named;
    }),
  );
  return [...chosen];
}

function wordsOf({ what, ours, other, ratio, spread, target, verdict }: Ratio): string {
  const judged = verdict === '' ? '' : `, ${target}: ${verdict}`;
  return `${what}: ${ours} : ${other} = ${ratio} (${spread})${judged}`;
}
