/** What programs have written to their terminals as a picture in SVG, that plays as it was: pure. */

/** A line that was written. */
export interface ShownLine {
  /** When, in milliseconds from the beginning. */
  readonly atMs: number;
  readonly text: string;
  /** Whether it was typed, and not written by a program. */
  readonly isTyped?: boolean;
}

/** One terminal. */
export interface Shown {
  /** What stands above it, such as whose machine it is. */
  readonly title: string;
  readonly lines: readonly ShownLine[];
}

/** What it all is, for those who do not see it. */
interface Words {
  readonly title: string;
  readonly about: string;
}

const FONT = 13;
const CHARACTER = 7.83;
const LINE = 18;
const MARGIN = 14;
const BAR = 30;
const GAP = 12;

/** How long the end is shown before it begins anew, in milliseconds. */
const END_MS = 6_000;

const STYLE = `
.page { fill: #f6f8fa; stroke: #d0d7de } .bar { fill: #d0d7de; opacity: 0.5 } text { fill: #1f2328; font: ${FONT}px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre }
.title { fill: #59636e } .typed { fill: #0550ae; font-weight: 600 } .bad { fill: #c62f2f } .good { fill: #1a7f37 }
@media (prefers-color-scheme: dark) { .page { fill: #161b22; stroke: #30363d } .bar { fill: #30363d } text { fill: #e6edf3 } .title { fill: #9198a1 }
.typed { fill: #79c0ff } .bad { fill: #ff7b72 } .good { fill: #4cc76a } }
@media (prefers-reduced-motion: reduce) { text { animation: none !important; opacity: 1 !important } }`;

/** Terminals one below the other. Each line comes when it came; the whole begins anew after a while. */
export function renderTerminals(terminals: readonly Shown[], { title, about }: Words): string {
  const columns = Math.max(...terminals.flatMap(({ lines }) => lines.map(({ text }) => text.length)), 60);
  const width = Math.ceil(columns * CHARACTER + 2 * MARGIN);
  const lastMs = Math.max(0, ...terminals.flatMap(({ lines }) => lines.map(({ atMs }) => atMs)));
  const wholeMs = lastMs + END_MS;
  const moments = [...new Set(terminals.flatMap(({ lines }) => lines.map(({ atMs }) => atMs)))].filter((ms) => ms > 0);
  const isPlayed = (atMs: number) => moments.length > 1 && atMs > 0;
  const frames = moments.map((ms, i) => {
    const share = ((100 * ms) / wholeMs).toFixed(2);
    return `@keyframes k${i} { 0%, ${share}% { opacity: 0 } ${(Number(share) + 0.01).toFixed(2)}%, 100% { opacity: 1 } }`;
  });
  let top = 0;
  const drawn = terminals.map(({ title: name, lines }) => {
    const height = BAR + 2 * MARGIN + lines.length * LINE - (LINE - FONT);
    const texts = lines.map(({ atMs, text, isTyped }, i) => {
      const classes = [isTyped === true ? 'typed' : (toneOf(text) ?? '')].filter((each) => each !== '');
      const moves = isPlayed(atMs)
        ? ` style="animation: k${moments.indexOf(atMs)} ${wholeMs}ms step-end infinite"`
        : '';
      const named = classes.length === 0 ? '' : ` class="${classes.join(' ')}"`;
      return `<text x="${MARGIN}" y="${BAR + MARGIN + FONT + i * LINE}"${named}${moves}>${escapeXml(text)}</text>`;
    });
    const group = [
      `<g transform="translate(0 ${top})">`,
      `<rect class="page" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>`,
      `<path class="bar" d="M1 9a8 8 0 0 1 8-8H${width - 9}a8 8 0 0 1 8 8V${BAR}H1Z"/>`,
      `<text class="title" x="${width / 2}" y="${BAR - 10}" text-anchor="middle">${escapeXml(name)}</text>`,
      ...texts,
      '</g>',
    ];
    top += height + GAP;
    return group.join('\n');
  });
  const height = top - GAP;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title desc">`,
    `<title id="title">${escapeXml(title)}</title>`,
    `<desc id="desc">${escapeXml(about)}</desc>`,
    `<style>${STYLE}\n${moments.length > 1 ? frames.join('\n') : ''}</style>`,
    ...drawn,
    '</svg>',
  ].join('\n')}\n`;
}

/** What begins so is marked. */
function toneOf(text: string): string | undefined {
  if (/^ *FAIL\b/.test(text)) return 'bad';
  return /^ *ok\b/.test(text) ? 'good' : undefined;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** Lines that are longer are broken at spaces, and go on as far in as they began. */
export function wrapped(text: string, columns: number): readonly string[] {
  const [indent = ''] = /^ *(?:- )?/.exec(text) ?? [];
  const rows: string[] = [];
  let row = indent;
  for (const word of text.slice(indent.length).split(/(?<=\s)/)) {
    if (row.length + word.trimEnd().length > columns && row.trim() !== '' && row.trim() !== '-') {
      rows.push(row.trimEnd());
      row = ' '.repeat(indent.length);
    }
    row += word;
  }
  return [...rows, row.trimEnd()];
}
