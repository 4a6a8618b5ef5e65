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

const MARKED = /(<!-- bench:begin[^>]*-->\n)([^]*)(<!-- bench:end -->)/;

type Row = readonly string[];

/** Ratios as a table in Markdown. */
export function tableOf(ratios: readonly Ratio[]): string {
  return format(ratios.map(cellsOf));
}

/**
 * A page with these ratios in its table, which stands between two marker comments: each takes the place of what was measured before of the
 * same; the others stay as they are.
 */
export function insertInto(page: string, ratios: readonly Ratio[]): string {
  const [, , table] = MARKED.exec(page) ?? [];
  if (table === undefined) throw new Error('Expected the marker comments of the benchmarks in the page');
  const rows = new Map(rowsOf(table).map((row) => [row[0], row]));
  for (const ratio of ratios) rows.set(ratio.what, cellsOf(ratio));
  return page.replace(
    MARKED,
    (_, begin: string, __, end: string) => `${begin}\n${format([...rows.values()])}\n\n${end}`,
  );
}

function cellsOf({ what, ours, other, ratio, spread, target, verdict }: Ratio): Row {
  return [what, ours, other, ratio, spread, target, verdict];
}

/** The rows of a table, without its headings. */
function rowsOf(table: string): readonly Row[] {
  const lines = table.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

function format(rows: readonly Row[]): string {
  const all = [cellsOf(HEADINGS), ...rows];
  const widths = cellsOf(HEADINGS).map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`);
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return lines.toSpliced(1, 0, rule).join('\n');
}
