import { escaped } from './escaped.js';
import { hide } from './hide.js';
import { portLooksOf, portsPicture } from './ports.js';
import { storyOf, type Bar, type Row, type StoryEvent } from './story.js';

/** What a page is made of. */
export interface PageContent {
  /** What was done, such as `rxp2p connect`. */
  readonly title: string;
  /** The version of this program, and of what it runs on. */
  readonly versions: string;
  /** How it ended, in words. */
  readonly outcome: string;
  /** What was found of the network, line by line, where it was looked into. */
  readonly check?: readonly string[] | undefined;
  readonly events: readonly StoryEvent[];
  /** How many steps between the first and the last were not remembered. */
  readonly leftOut?: number;
}

const STYLE = `
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1a1f27; --soft: #5b6675; --line: #dfe3e9; --blue: #1f6feb;
  --good: #1a7f37; --bad: #c62f2f; --wait: #8c959f }
@media (prefers-color-scheme: dark) { :root { --page: #0e1116; --card: #171c23; --ink: #e7ebf0; --soft: #98a4b3; --line: #2a313b;
  --blue: #6ea8fe; --good: #4cc76a; --bad: #ff7b72; --wait: #6e7781 } }
* { box-sizing: border-box }
body { margin: 0; padding: 16px; background: var(--page); color: var(--ink); font: 15px/1.45 system-ui, sans-serif }
main { max-width: 1120px; margin: 0 auto }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.05rem; margin: 0 0 8px } h3 { font-size: 0.95rem; font-weight: 500; margin: 12px 0 8px }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 16px; margin: 16px 0 }
.soft { color: var(--soft) } .bad { color: var(--bad) }
.row { display: grid; grid-template-columns: 11rem 1fr; gap: 8px; align-items: center; border-top: 1px solid var(--line); padding: 4px 0 }
.row b { font-weight: 500; overflow-wrap: anywhere }
.track { position: relative; height: 22px }
.bar, .mark { position: absolute; border-radius: 3px }
.bar { top: 4px; height: 14px; min-width: 3px; opacity: 0.75 }
.mark { top: 1px; width: 3px; height: 20px; margin-left: -1px; background: var(--blue) }
.mark.bad { background: var(--bad) }
.succeeded { background: var(--good) } .failed { background: var(--bad) } .cancelled, .unfinished { background: var(--wait) }
.scale { position: relative; height: 1.4em; font-size: 0.85rem } .scale span { position: absolute; white-space: nowrap; transform: translateX(-50%) }
.scale span:first-child { transform: none } .scale span:last-child { transform: translateX(-100%) }
.steps { display: grid; grid-template-columns: auto auto 1fr; gap: 2px 12px; font-size: 0.9rem }
.steps > * { overflow-wrap: anywhere } .steps .time { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.ports { display: flex; height: 200px; margin-bottom: 1.6em }
.scale-up { position: relative; flex: none; width: 3.5rem; border-right: 1px solid var(--line) }
.scale-up small { position: absolute; right: 8px; transform: translateY(50%) }
.group { position: relative; flex: 1; border-right: 1px solid var(--line); border-bottom: 1px solid var(--line) }
.group small { position: absolute; top: calc(100% + 2px); left: 0; right: 0; text-align: center }
.look { display: inline-block; width: 10px; height: 10px; background: var(--blue) }
.group .look { position: absolute; margin: 0 0 -5px -5px }
.shape0 { border-radius: 50% } .shape1 { background: #d9730d } .shape2 { background: var(--good); transform: rotate(45deg) scale(0.85) }
.shape3 { border-radius: 50%; background: none; border: 3px solid #a05cd6 }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 0.85rem; margin: 0 }
pre { margin: 0; overflow-x: auto; font-size: 0.85rem } pre.flows { white-space: pre-wrap } pre + pre { margin-top: 1.2em }
a { color: var(--blue) }
@media (max-width: 640px) { .row { grid-template-columns: 1fr; gap: 0 } .steps { grid-template-columns: auto 1fr } .steps .name { display: none } }
`;

/** Marks on the scale of time. */
const SCALE = 4;

/**
 * The story of an attempt as one HTML file that needs nothing else, made to be attached to a report of a fault: no scripts, no secrets, and public
 * addresses and keys shortened. Pure.
 */
export function pageOf({ title, versions, outcome, check = [], events, leftOut = 0 }: PageContent): string {
  const { rows, lengthMs } = storyOf(events);
  const trace = events.map((event) => hide(JSON.stringify(event))).join('\n');
  const looks = portLooksOf(events);
  const steps =
    leftOut === 0
      ? `all ${events.length} steps`
      : `the first and the last, ${events.length} steps of ${events.length + leftOut}`;
  const save = `data:application/x-ndjson;base64,${Buffer.from(trace).toString('base64')}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escaped(title)}</h1>
<p>${escaped(outcome)}</p>
<p class="soft">${escaped(versions)}. Public addresses and keys are shortened.</p>
<section>
<h2>What happened when</h2>
<div class="row"><b></b><div class="scale soft">${scaleOf(lengthMs)}</div></div>
${rows.map((row) => trackOf(row, lengthMs)).join('\n')}
</section>
${check.length === 0 ? '' : `<section>\n<h2>The network</h2>\n${foundOf(check)}\n</section>`}
${looks.length === 0 ? '' : `<section>\n<h2>The ports that servers saw</h2>\n<p class="soft">Across: this machine’s own ports. Up: the ports outside.</p>\n${looks.map(portsPicture).join('\n')}\n</section>`}
<section>
<h2>Step by step</h2>
<div class="steps">
${stepsOf(rows)}
</div>
</section>
<section>
<h2>The trace</h2>
<p><a download="trace.jsonl" href="${save}">Save ${steps}</a>, one JSON object a line.</p>
</section>
</main>
</body>
</html>
`;
}

/** What was found, line by line. Sentences are broken where the window ends; a table is not. */
function foundOf(check: readonly string[]): string {
  const blocks: { readonly isTable: boolean; readonly lines: string[] }[] = [];
  for (const line of check) {
    const isTable = line.trim().split(/ {2,}/).length > 2;
    const last = blocks.at(-1);
    if (last?.isTable === isTable) last.lines.push(line);
    else blocks.push({ isTable, lines: [line] });
  }
  return blocks
    .map(({ isTable, lines }) => `<pre${isTable ? '' : ' class="flows"'}>${lines.map(escaped).join('\n')}</pre>`)
    .join('\n');
}

function scaleOf(lengthMs: number): string {
  const at = Array.from({ length: SCALE + 1 }, (_, i) => i / SCALE);
  return at.map((share) => `<span style="left: ${share * 100}%">${secondsOf(lengthMs * share)}</span>`).join('');
}

function trackOf({ name, bars, marks }: Row, lengthMs: number): string {
  const at = (ms: number) => `${((100 * ms) / lengthMs).toFixed(2)}%`;
  const barOf = ({ fromMs, toMs, outcome, words }: Bar) =>
    `<span class="bar ${outcome}" style="left: ${at(fromMs)}; width: ${at(toMs - fromMs)}" title="${escaped(words)}"></span>`;
  const drawn = [
    ...bars.map(barOf),
    ...marks.map(
      ({ atMs, isBad, words }) =>
        `<span class="mark${isBad ? ' bad' : ''}" style="left: ${at(atMs)}" title="${escaped(words)}"></span>`,
    ),
  ];
  return `<div class="row"><b>${escaped(name)}</b><div class="track">${drawn.join('')}</div></div>`;
}

function stepsOf(rows: readonly Row[]): string {
  const steps = rows.flatMap(({ name, bars, marks }) => [
    ...bars.map(({ toMs, outcome, words }) => ({ name, atMs: toMs, isBad: outcome === 'failed', words })),
    ...marks.map((mark) => ({ name, ...mark })),
  ]);
  return steps
    .toSorted((one, other) => one.atMs - other.atMs)
    .map(
      ({ name, atMs, isBad, words }) =>
        `<span class="time soft">${secondsOf(atMs)}</span><span class="name soft">${escaped(name)}</span>` +
        `<span${isBad ? ' class="bad"' : ''}>${escaped(words)}</span>`,
    )
    .join('\n');
}

function secondsOf(ms: number): string {
  return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}
