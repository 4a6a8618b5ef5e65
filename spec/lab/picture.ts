/** The matrix as a picture in SVG, made from its JSON and from nothing else: pure. */
import { NETWORK_NAMES, SHARED_NAMES } from './arguments.js';
import { firstTechniques, summarize, type MatrixResult, type PairResult } from './measurement.js';
import { roundTripTime } from './path.js';

export interface PictureConfig {
  /** Rows and columns, in this order. A pair of them that the result lacks has its place, left empty. */
  readonly networks: readonly string[];
  /** Those that two hosts share, each a square of its own below the others. */
  readonly shared: readonly string[];
  /** How wide and high a square is, in pixels. */
  readonly cell: { readonly width: number; readonly height: number };
  /** Of the numbers in the squares, in pixels. */
  readonly fontSize: number;
}

/**
 * A square a pair. Its lower right half has the colour of the technique in the end, its upper left half that of the technique that
 * carried the first line, so that it has one colour where both are the same. Its number says how many round trips the first line took.
 */
export const renderPicture = (result: MatrixResult, config: PictureConfig): string => {
  const { networks, shared, cell } = config;
  const pairs = [
    ...networks.flatMap((row) => networks.map((column) => [row, column])),
    ...shared.map((name) => [name]),
  ];
  const squares = pairs.map((pair): Square => squareOf(pair, result));
  const grid = squares.filter(({ pair }) => pair.length === 2);
  const apart = squares.filter(({ pair }) => pair.length === 1);

  const gridHeight = networks.length * cell.height;
  const gridWidth = networks.length * cell.width;
  const sharedY = HEAD + gridHeight + (shared.length > 0 ? GAP : 0);
  const legendY = sharedY + shared.length * cell.height + GAP;
  const width = Math.max(LABELS + gridWidth + SLANT, LEGEND_WIDTH);
  const legend = legendOf(squares, result, width);
  const height = legendY + legend.height;

  const at = (column: number, row: number, top: number) => ({
    x: LABELS + column * cell.width,
    y: top + row * cell.height,
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title desc">`,
    `<title id="title">Which pairs of networks connect, how, and how fast</title>`,
    `<desc id="desc">${escapeXml(describe(squares))}</desc>`,
    `<style>${STYLE}</style>`,
    HATCH,
    `<rect class="page" width="${width}" height="${height}"/>`,
    text(LABELS - MARGIN, HEAD - MARGIN, 'dials ↓ listens →', 'end'),
    ...networks.map((name, i) => {
      const { x } = at(i, 0, 0);
      const [middle, foot] = [x + cell.width / 2 + MARGIN / 2, HEAD - MARGIN];
      return `<text x="${middle}" y="${foot}" transform="rotate(-60 ${middle} ${foot})">${escapeXml(name)}</text>`;
    }),
    ...networks.map((name, i) => text(LABELS - MARGIN, at(0, i, HEAD).y + cell.height / 2, name, 'end')),
    ...grid.map((square, i) => draw(square, at(i % networks.length, Math.floor(i / networks.length), HEAD), config)),
    ...apart.flatMap((square, i) => {
      const place = at(0, i, sharedY);
      return [text(LABELS - MARGIN, place.y + cell.height / 2, square.pair.join(), 'end'), draw(square, place, config)];
    }),
    ...(apart.length > 0
      ? [
          text(
            LABELS + cell.width + MARGIN,
            sharedY + (shared.length * cell.height) / 2,
            'both hosts behind the same router',
          ),
        ]
      : []),
    `<g transform="translate(0 ${legendY})">`,
    ...legend.parts,
    '</g>',
    '</svg>',
  ].join('\n')}\n`;
};

/** Every network has its place here, whether it was measured or not. */
export const WHOLE: PictureConfig = {
  networks: NETWORK_NAMES,
  shared: SHARED_NAMES,
  cell: { width: 25, height: 25 },
  fontSize: 10,
};

/** For the README: one network of each kind. */
export const SMALL: PictureConfig = {
  networks: [
    'public',
    'firewall',
    'preserving',
    'delta1',
    'random',
    'pcp',
    'cgnat',
    'cgnat-random',
    'ipv6-firewall',
    'dual-stack',
  ],
  shared: [],
  cell: { width: 44, height: 28 },
  fontSize: 12,
};

/** What is drawn of a pair. */
interface Square {
  readonly pair: readonly string[];
  readonly first: string;
  readonly last: string;
  /** Round trips, or what else there is to say of it. */
  readonly label: string;
  readonly words: string;
}

const FAILED = 'failed';
const UNTRIED = 'untried';

const squareOf = (pair: readonly string[], { pairs }: MatrixResult): Square => {
  const name = pair.join(' → ');
  const found = pairs.find((each) => each.pair.join() === pair.join());
  if (found === undefined) return { pair, first: UNTRIED, last: UNTRIED, label: '', words: `${name}: not measured` };
  const { succeeded, tried, techniques, medianMs, medianMovedMs } = summarize(found);
  const [first] = firstTechniques(found);
  const [last] = techniques;
  if (first === undefined || last === undefined || medianMs === undefined)
    return { pair, first: FAILED, last: FAILED, label: '✗', words: `${name}: failed` };
  const way = first === last ? first : `${first}, then ${last}`;
  const moved = medianMovedMs === undefined ? '' : `, moved after ${medianMovedMs.toFixed(0)} ms`;
  const often = succeeded === tried ? '' : `, ${succeeded} of ${tried}`;
  return {
    pair,
    first,
    last,
    label: `${roundTrips(medianMs, found)}${succeeded === tried ? '' : '!'}`,
    words: `${name}: ${way}, first line after ${medianMs.toFixed(0)} ms${moved}${often}`,
  };
};

const roundTrips = (ms: number, { roundTripMs }: PairResult): string =>
  roundTripMs === 0 ? '–' : (ms / roundTripMs).toFixed(1);

const draw = (
  { first, last, label, words }: Square,
  { x, y }: { readonly x: number; readonly y: number },
  { cell, fontSize }: PictureConfig,
): string => {
  const [left, top, right, bottom] = [x + 1, y + 1, x + cell.width - 1, y + cell.height - 1];
  const whole = `M${left} ${top}H${right}V${bottom}H${left}Z`;
  const half = `M${left} ${top}H${right}L${left} ${bottom}Z`;
  const fill = (path: string, technique: string) => [
    `<path class="${classOf(technique)}" d="${path}"/>`,
    // Not by colour alone: what goes by a relay is hatched as well.
    ...(technique === 'relay' ? [`<path fill="url(#hatch)" d="${path}"/>`] : []),
  ];
  const [middleX, middleY] = [x + cell.width / 2, y + cell.height / 2];
  return [
    `<g><title>${escapeXml(words)}</title>`,
    ...fill(whole, last),
    ...(first === last ? [] : fill(half, first)),
    ...(label === ''
      ? []
      : [
          `<text x="${middleX}" y="${middleY}" font-size="${fontSize}" text-anchor="middle">${escapeXml(label)}</text>`,
        ]),
    '</g>',
  ].join('');
};

/** Of a technique that is not among those with a colour, such as an application's own. */
const OTHER = 'other';

const classOf = (technique: string): string => (technique in COLOURS ? technique : OTHER);

const legendOf = (squares: readonly Square[], { delayMs }: MatrixResult, width: number) => {
  const used = new Set(squares.flatMap(({ first, last }) => [first, last]));
  const names = [...TECHNIQUES, FAILED, UNTRIED].filter((name) => used.has(name));
  const others = [...used].filter((name) => !(name in COLOURS));
  const swatches = [...names, ...others].map((name) => ({ name, words: WORDS[name] ?? name }));
  const column = (width - 2 * MARGIN) / Math.min(swatches.length, LEGEND_COLUMNS);
  const cell = { width: 26, height: 20 };
  const parts = swatches.map(({ name, words }, i) => {
    const [x, y] = [MARGIN + (i % LEGEND_COLUMNS) * column, Math.floor(i / LEGEND_COLUMNS) * LEGEND_LINE];
    const square: Square = { pair: [], first: name, last: name, label: '', words };
    const config: PictureConfig = { networks: [], shared: [], cell, fontSize: 0 };
    return draw(square, { x, y }, config) + text(x + cell.width + MARGIN / 2, y + cell.height / 2, words);
  });
  const notes = [
    'Two colours: upper left the way of the first line, lower right the way in the end.',
    `The number: round trips, as a rule of ${roundTripTime({ delay: delayMs })} ms, from connect$ until the first line is at the other side.`,
  ];
  const top = Math.ceil(swatches.length / LEGEND_COLUMNS) * LEGEND_LINE + MARGIN;
  return {
    parts: [...parts, ...notes.map((words, i) => text(MARGIN, top + i * NOTE_LINE, words))],
    height: top + notes.length * NOTE_LINE,
  };
};

/** The whole in words, for those who do not see it. */
const describe = (squares: readonly Square[]): string => {
  const tried = squares.filter(({ last }) => last !== UNTRIED);
  const names = [...new Set(tried.map(({ last }) => last))];
  const counts = names.map((name) => `${WORDS[name] ?? name} ${tried.filter(({ last }) => last === name).length}`);
  const moved = tried.filter(({ first, last }) => first !== last).length;
  return (
    `A square for each of ${squares.length} pairs of networks, ${tried.length} of them measured. ` +
    `In the end they are connected so: ${counts.join(', ')}. ${moved} of them had their first line by another way than that.`
  );
};

/** With their colours in light and in dark, all of them with enough contrast to the numbers. */
const COLOURS: Readonly<Record<string, readonly [light: string, dark: string]>> = {
  direct: ['#b4e3c4', '#1d6b47'],
  'simultaneous-open': ['#abcdf7', '#1f4f92'],
  'reverse-connect': ['#dcc2f2', '#62398a'],
  relay: ['#f9d59b', '#85500f'],
  [OTHER]: ['#d5d9dd', '#50565e'],
  [FAILED]: ['#f2a4a4', '#8f2a2a'],
  [UNTRIED]: ['none', 'none'],
};

const TECHNIQUES = ['direct', 'simultaneous-open', 'reverse-connect', 'relay'];

const WORDS: Readonly<Record<string, string>> = {
  direct: 'direct dial',
  'simultaneous-open': 'hole punch',
  'reverse-connect': 'peer dials back',
  relay: 'relay',
  [FAILED]: 'failed',
  [UNTRIED]: 'not measured',
};

const rules = (theme: 0 | 1): string =>
  Object.entries(COLOURS)
    .map(([name, colours]) => `.${name}{fill:${colours[theme]}}`)
    .join('');

const STYLE =
  `text{font-family:system-ui,sans-serif;font-size:12px;fill:#1f2328;dominant-baseline:central}` +
  `.page{fill:#fff}.${UNTRIED}{stroke:#8c959f;stroke-opacity:.4;stroke-dasharray:2 2}.hatch{stroke:#1f2328}${rules(0)}` +
  `@media(prefers-color-scheme:dark){text{fill:#f0f3f6}.page{fill:#0d1117}.hatch{stroke:#f0f3f6}${rules(1)}}`;

const HATCH =
  '<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">' +
  '<path class="hatch" d="M0 0V5" stroke-opacity=".25"/></pattern></defs>';

const text = (x: number, y: number, words: string, anchor: 'start' | 'end' = 'start'): string =>
  `<text x="${x}" y="${y}"${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}>${escapeXml(words)}</text>`;

const escapeXml = (words: string): string =>
  words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

// The longest name of a network takes about 120 pixels, upright and slanted.
const LABELS = 134;
const HEAD = 116;
const SLANT = 56;

const GAP = 18;
const MARGIN = 8;
const LEGEND_WIDTH = 640;
const LEGEND_COLUMNS = 6;
const LEGEND_LINE = 26;
const NOTE_LINE = 20;
