/** The table of docs/measured.md, made from the matrix's JSON and from nothing else: pure. */
import { FLOORS } from './floors.js';
import { firstLines, moves, SOON_MS, summarize, type MatrixResult, type PairResult } from './measurement.js';
import { roundTripTime } from './path.js';

export const BEGIN = '<!-- lab:begin (written by `npm run lab -- table`) -->';
export const END = '<!-- lab:end -->';

export const renderTable = (result: MatrixResult): string => {
  const shared = result.pairs.filter(({ pair }) => pair.length === 1);
  const crossed = result.pairs.filter(({ pair }) => pair.length === 2);
  return [
    conditions(result),
    LEGEND,
    ...(crossed.length > 0 ? [grid(crossed)] : []),
    ...(shared.length > 0 ? [list(shared)] : []),
    ...groups(result),
    ...failures(result.pairs),
  ].join('\n\n');
};

/** Puts the table between the two marker comments of a page. */
export const insertTable = (page: string, table: string): string => {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`Expected the page to contain ${BEGIN} and, after it, ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${table}\n\n${page.slice(end)}`;
};

/** One line on one pair, for the terminal. */
export const describePair = (result: PairResult): string => {
  const summary = summarize(result);
  const { succeeded, tried, techniques, direct, medianMs, medianMovedMs, reasons } = summary;
  const name = result.pair.join(' → ');
  if (medianMs === undefined) return `${name}: failed, ${reasons.join(' | ')}`;
  const how = `${techniques.join(', ')} (${direct ? 'direct' : 'relayed'})`;
  const moved = medianMovedMs === undefined ? '' : `, there after ${medianMovedMs.toFixed(0)} ms`;
  const often = succeeded === tried ? '' : `, ${succeeded} of ${tried} (${reasons.join(' | ')})`;
  return `${name}: ${how}, ${medianMs.toFixed(0)} ms, ${roundTrips(medianMs, result)} round trips${moved}${often}`;
};

const LEGEND =
  'Each cell has the technique in the end, in italics when it is a relay, and how long the first line took, in parentheses ' +
  'in round trips. `→`: the connection began by another way, as a rule the relay, and so long after `connect$` its lines had moved.';

const conditions = ({ wire, delayMs, jitterMs, loss, bandwidthMbit, repeat }: MatrixResult): string =>
  [
    `From \`connect$\` to the first line at the other side: median of ${repeat}, ${delayMs} ms one way on each access line`,
    jitterMs > 0 ? ` ± ${jitterMs} ms` : '',
    loss > 0 ? `, ${loss * 100} % loss` : '',
    bandwidthMbit === null ? '' : `, ${bandwidthMbit} Mbit/s`,
    `, so ${roundTripTime({ delay: delayMs })} ms there and back between two peers; delayed by ${wire}.`,
  ].join('');

const grid = (pairs: readonly PairResult[]): string => {
  const rows = unique(pairs.map(({ pair }) => pair[0] ?? ''));
  const columns = unique(pairs.map(({ pair }) => pair[1] ?? ''));
  const cellOf = (row: string, column: string) => {
    const found = pairs.find(({ pair }) => pair[0] === row && pair[1] === column);
    return found === undefined ? '' : cell(found);
  };
  return markdown(
    ['dials ↓ listens →', ...columns],
    rows.map((row) => [`**${row}**`, ...columns.map((column) => cellOf(row, column))]),
  );
};

const list = (pairs: readonly PairResult[]): string =>
  markdown(
    ['both behind', 'result'],
    pairs.map((each) => [`**${each.pair.join()}**`, cell(each)]),
  );

const cell = (result: PairResult): string => {
  const { succeeded, tried, techniques, direct, medianMs, medianMovedMs } = summarize(result);
  if (medianMs === undefined) return '✗';
  const how = direct ? techniques.join(', ') : `_${techniques.join(', ')}_`;
  const often = succeeded === tried ? '' : ` ${succeeded}/${tried}`;
  const moved = medianMovedMs === undefined ? '' : ` → ${medianMovedMs.toFixed(0)} ms`;
  return `${how} ${medianMs.toFixed(0)} ms (${roundTrips(medianMs, result)})${moved}${often}`;
};

/** What the first lines took and what became of relayed connections, over all pairs. */
const groups = (result: MatrixResult): string[] => {
  const lines = firstLines(result);
  if (lines.length === 0) return [];
  const { relayed, moved, soon, medianMs } = moves(result);
  const share = (part: number) => `${part} (${((100 * part) / relayed).toFixed(0)} %)`;
  const median = medianMs === undefined ? '' : `, after ${medianMs.toFixed(0)} ms in the median`;
  return [
    markdown(
      ['first line by', 'how often', 'round trips, median', 'nine of ten at most', 'least possible'],
      lines.map(({ technique, count, medianRoundTrips, slowRoundTrips }) => [
        technique ?? 'all but direct',
        String(count),
        medianRoundTrips.toFixed(1),
        slowRoundTrips.toFixed(1),
        FLOORS[technique ?? '']?.toFixed(1) ?? '–',
      ]),
    ),
    ...(relayed === 0
      ? []
      : [
          `Of ${relayed} connections that began by a relay, ${share(moved)} moved to a direct path${median}: ` +
            `${share(soon)} within ${SOON_MS / 1000} s of \`connect$\`.`,
        ]),
  ];
};

const failures = (pairs: readonly PairResult[]): string[] => {
  const byReason = new Map<string, string[]>();
  for (const each of pairs) {
    const [first] = summarize(each).reasons;
    const reason = first?.replaceAll(ENDPOINT, 'it');
    if (reason !== undefined) byReason.set(reason, [...(byReason.get(reason) ?? []), each.pair.join(' → ')]);
  }
  const rows = [...byReason].sort(([, one], [, other]) => other.length - one.length);
  if (rows.length === 0) return [];
  const examples = (names: readonly string[]) =>
    names.slice(0, EXAMPLES).join(', ') + (names.length > EXAMPLES ? ', …' : '');
  const table = rows.map(([reason, names]) => [code(reason), String(names.length), examples(names)]);
  return ['✗ and shortfalls, by reason:', markdown(['reason', 'pairs', 'such as'], table)];
};

const EXAMPLES = 3;

/** Every trial has its own; a reason that many share must not contain them. */
const ENDPOINT = /\d+(?:\.\d+){3}:\d+|\[[\da-f:.]+\]:\d+/g;

const roundTrips = (ms: number, { roundTripMs }: PairResult): string =>
  roundTripMs === 0 ? '–' : (ms / roundTripMs).toFixed(1);

/** Columns as wide as their widest cell, as prettier would have them. */
const markdown = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const widths = head.map((_, i) => Math.max(RULE.length, ...[head, ...rows].map((cells) => cells[i]?.length ?? 0)));
  const line = (cells: readonly string[], fill: string) =>
    `| ${cells.map((each, i) => each.padEnd(widths[i] ?? 0, fill)).join(' | ')} |`;
  return [line(head, ' '), line(head.map(() => RULE), '-'), ...rows.map((cells) => line(cells, ' '))].join('\n'); // prettier-ignore
};

const RULE = '---';

const code = (text: string): string => `\`${text.replaceAll('|', '\\|').replaceAll('`', "'")}\``;

const unique = (values: readonly string[]): string[] => [...new Set(values)];
