import { FLOODING_COPIES, GOSSIPSUB_COPIES, IROH, type Beside } from './beside.js';
import type { Figures } from './scenarios.js';

/** One bar or more at each place. */
export interface Chart {
  readonly title: string;
  readonly about: string;
  readonly xAxis: string;
  readonly yAxis: string;
  readonly labels: readonly string[];
  readonly series: readonly { readonly name: string; readonly values: readonly number[] }[];
  readonly notes: readonly string[];
}

const WIDTH = 720;
const HEIGHT = 300;
const LEFT = 64;
const TOP = 48;
const LINE = 18;
const COLOURS = ['#2b6cb0', '#dd6b20'];

/** Draws a chart of bars. Pure. */
export function drawChart({ title, about, xAxis, yAxis, labels, series, notes }: Chart): string {
  const bottom = TOP + HEIGHT;
  const total = bottom + 48 + notes.length * LINE;
  const top = Math.max(...series.flatMap(({ values }) => values), Number.MIN_VALUE);
  const step = (WIDTH - LEFT - 24) / labels.length;
  const width = (step * 0.8) / series.length;
  const bars = series.flatMap(({ values }, s) =>
    values.map((value, i) => {
      const height = (value / top) * (HEIGHT - 16);
      const x = LEFT + i * step + step * 0.1 + s * width;
      const text =
        step / series.length > 34 && value > 0
          ? `<text x="${at(x + width / 2)}" y="${at(bottom - height - 4)}" text-anchor="middle" font-size="11">${format(value)}</text>`
          : '';
      return `<rect x="${at(x)}" y="${at(bottom - height)}" width="${at(width)}" height="${at(height)}" fill="${COLOURS[s] ?? '#718096'}"/>${text}`;
    }),
  );
  const marks = labels.map(
    (label, i) =>
      `<text x="${at(LEFT + (i + 0.5) * step)}" y="${bottom + 16}" text-anchor="middle" font-size="11">${escape(label)}</text>`,
  );
  const legend = series.map(
    ({ name }, s) =>
      `<rect x="${LEFT + s * 300}" y="${TOP - 18}" width="10" height="10" fill="${COLOURS[s] ?? '#718096'}"/><text x="${LEFT + s * 300 + 16}" y="${TOP - 9}" font-size="12">${escape(name)}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${total}" width="${WIDTH}" height="${total}" role="img" aria-labelledby="title desc" font-family="sans-serif">`,
    `<title id="title">${escape(title)}</title><desc id="desc">${escape(about)}</desc>`,
    `<rect width="${WIDTH}" height="${total}" fill="#ffffff"/>`,
    `<g fill="#1a202c"><text x="${LEFT}" y="20" font-size="15" font-weight="bold">${escape(title)}</text>`,
    ...legend,
    `<line x1="${LEFT}" y1="${bottom}" x2="${WIDTH - 24}" y2="${bottom}" stroke="#1a202c"/>`,
    ...bars,
    ...marks,
    `<text x="${at((LEFT + WIDTH - 24) / 2)}" y="${bottom + 34}" text-anchor="middle" font-size="12">${escape(xAxis)}</text>`,
    `<text x="16" y="${at(TOP + HEIGHT / 2)}" text-anchor="middle" font-size="12" transform="rotate(-90 16 ${at(TOP + HEIGHT / 2)})">${escape(yAxis)}</text>`,
    ...notes.map((note, i) => `<text x="${LEFT}" y="${bottom + 54 + i * LINE}" font-size="12">${escape(note)}</text>`),
    '</g></svg>',
    '',
  ].join('\n');
}

const at = (value: number) => String(Math.round(value * 10) / 10);
const format = (value: number) => (Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(2));
const escape = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

/** The pictures of a run, by the names of their files. */
export function picturesOf(figures: Figures): ReadonlyMap<string, string> {
  const { nodes, degrees, copies, hops, hopsOfAnyone } = figures;
  const some = nodes.toLocaleString('en');
  const from = degrees.findIndex((count) => count > 0);
  const share = (counts: readonly number[]) => {
    const all = counts.reduce((sum, count) => sum + count, 0);
    return counts.map((count) => (100 * count) / all);
  };
  const most = Math.max(hops.length, hopsOfAnyone.length);
  return new Map([
    [
      'rooms-degrees.svg',
      drawChart({
        title: `Neighbours of ${some} simulated nodes`,
        about: 'How many nodes have how many neighbours.',
        xAxis: 'neighbours',
        yAxis: 'nodes',
        labels: degrees.slice(from).map((_, i) => String(from + i)),
        series: [{ name: 'rxp2p', values: degrees.slice(from) }],
        notes: [
          'A node looks for 5, the active view of the HyParView paper (DSN 2007, section 5.1), and takes up to two more.',
        ],
      }),
    ],
    [
      'rooms-copies.svg',
      drawChart({
        title: `Copies of a message that each of ${some} simulated nodes receives`,
        about: 'Copies a node of the first messages of one author.',
        xAxis: 'message, one a second',
        yAxis: 'copies a node',
        labels: copies.map((_, i) => String(i + 1)),
        series: [{ name: 'rxp2p', values: copies }],
        notes: [
          'The first makes the tree, by asking; 1 is the least that is possible. In Plumtree (SRDS 2007) the first floods every link.',
        ],
      }),
    ],
    [
      'rooms-hops.svg',
      drawChart({
        title: `Hops after which ${some} simulated nodes have a message`,
        about: 'The share of the nodes that have a message after so many hops.',
        xAxis: 'hops',
        yAxis: '% of the nodes',
        labels: Array.from({ length: most }, (_, i) => String(i)),
        series: [
          { name: 'from the author that made the tree', values: share(hops) },
          { name: 'from anybody else, by the same tree', values: share(hopsOfAnyone) },
        ],
        notes: [`1.5 log2 n, the limit that is checked, is ${(1.5 * Math.log2(nodes)).toFixed(1)}.`],
      }),
    ],
  ]);
}

/** How often a message comes to a node, in a room and in networks of others. */
export function pictureBeside({ copies }: Beside): string {
  return drawChart({
    title: 'Copies of a message that each node receives',
    about: 'Copies a node in a room of rxp2p, beside iroh-gossip, GossipSub and flooding.',
    xAxis: '',
    yAxis: 'copies a node',
    labels: ['rxp2p', 'iroh-gossip', 'GossipSub, 8 neighbours', 'flooding, 10 + 10 slots'],
    series: [{ name: 'the mean of all messages', values: [copies, IROH.copies, GOSSIPSUB_COPIES, FLOODING_COPIES] }],
    notes: [
      'rxp2p and iroh-gossip: 100 simulated nodes, 30 messages, each of another node, the first among them.',
      'GossipSub: in the network of Ethereum, measured by ProbeLab (2024).',
      'Flooding: 100 real nodes by the protocol of PyP2P.',
    ],
  });
}
