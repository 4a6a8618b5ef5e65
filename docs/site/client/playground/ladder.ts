import { svg } from '../dom.js';
import { NAMES } from './words.js';
import { ONE_WAY_MS, type Flight } from './simulate.js';

/** SYNs that are drawn with their ports: more would be drawn over each other. */
const LABELLED = 18;
const DRAWN = 500;
const [LEFT, RIGHT, TOP, ROW] = [150, 610, 40, 26] as const;

/** The SYNs between the two NATs, down the page as time goes by. */
export function ladder(flights: readonly Flight[]): SVGElement {
  return flights.length <= LABELLED ? labelled(flights) : crowded(flights);
}

/** Few: each with its ports. Those that leave at one moment are drawn below each other. */
function labelled(flights: readonly Flight[]): SVGElement {
  const rows: Record<0 | 1, number> = { 0: 0, 1: 0 };
  const drop = ROW * 0.8;
  const arrows = flights.map((flight, i) => {
    const y = TOP + 16 + rows[flight.from]++ * ROW + (flight.from === 1 ? 6 : 0);
    const [x1, x2] = flight.from === 0 ? [LEFT, RIGHT] : [RIGHT, LEFT];
    const isIn = flight.fate === 'opens';
    const end = isIn ? x2 : x2 + (x1 - x2) * 0.06;
    const label = (x: number, at: number, port: number, isLeft: boolean) =>
      svg('text', { x: x + (isLeft ? -10 : 10), y: at + 4, 'text-anchor': isLeft ? 'end' : 'start' }, String(port));
    return svg(
      'g',
      { class: `flight ${isIn ? 'opens' : 'dropped'} ${flight.from === 0 ? 'one' : 'two'}`, style: `--order:${i}` },
      svg('path', { d: `M${x1} ${y}L${end} ${y + drop}`, pathLength: 1 }),
      isIn
        ? svg('circle', { cx: x2, cy: y + drop, r: 5 })
        : svg('path', { class: 'cross', d: `M${end - 5} ${y + drop - 5}l10 10m0 -10l-10 10` }),
      label(x1, y, flight.externalPort, flight.from === 0),
      ...(flight.from === 0 && rows[1] === 0 ? [label(x2, y + drop, flight.toPort, false)] : []),
    );
  });
  const height = TOP + 16 + Math.max(rows[0], rows[1]) * ROW + 40;
  return frame(height, arrows, `${flights.length} SYNs between the two NATs, each with the port that it leaves from`);
}

/** Hundreds or thousands: each a thin line, at its time. */
function crowded(flights: readonly Flight[]): SVGElement {
  const lastMs = (flights.at(-1)?.leavesMs ?? 0) + ONE_WAY_MS * 2;
  const height = 420;
  const yOf = (ms: number): number => TOP + 12 + (ms / lastMs) * (height - TOP - 24);
  const hit = flights.find(({ fate }) => fate === 'opens');
  const every = Math.max(1, Math.floor(flights.length / DRAWN));
  const shown = flights.filter((flight, i) => i % every === 0 || flight === hit);
  const lines = shown.map((flight) => {
    const [x1, x2] = flight.from === 0 ? [LEFT, RIGHT] : [RIGHT, LEFT];
    const [y1, y2] = [yOf(flight.leavesMs), yOf(flight.leavesMs + ONE_WAY_MS)];
    const isIn = flight === hit;
    return svg(
      'g',
      {
        class: `flight ${isIn ? 'opens' : 'faint'} ${flight.from === 0 ? 'one' : 'two'}`,
        style: `--order:${(flight.leavesMs / lastMs) * 12}`,
      },
      svg('path', { d: `M${x1} ${y1}L${isIn ? x2 : x2 + (x1 - x2) * 0.04} ${y2}`, pathLength: 1 }),
      ...(isIn
        ? [
            svg('circle', { cx: x2, cy: y2, r: 6 }),
            svg(
              'text',
              { x: x1 + (flight.from === 0 ? -10 : 10), y: y1 + 4, 'text-anchor': flight.from === 0 ? 'end' : 'start' },
              String(flight.externalPort),
            ),
            svg(
              'text',
              { x: x2 + (flight.from === 0 ? 12 : -12), y: y2 + 4, 'text-anchor': flight.from === 0 ? 'start' : 'end' },
              String(flight.toPort),
            ),
          ]
        : []),
    );
  });
  const marks = [0, lastMs / 2, lastMs].map((ms) =>
    svg('text', { x: 8, y: yOf(ms) + 4, class: 'soft' }, `${Math.round(ms)} ms`),
  );
  return frame(height, [...lines, ...marks], `${flights.length} SYNs between the two NATs, in the order of time`);
}

function frame(height: number, parts: readonly SVGElement[], label: string): SVGElement {
  const posts = (
    [
      [LEFT, 'one', 0],
      [RIGHT, 'two', 1],
    ] as const
  ).flatMap(([x, name, who]) => [
    svg('path', { class: `post ${name}`, d: `M${x} ${TOP}V${height - 8}` }),
    svg('text', { x, y: TOP - 14, class: `who ${name}`, 'text-anchor': 'middle' }, `${NAMES[who]}’s NAT`),
  ]);
  return svg(
    'svg',
    { class: 'ladder', viewBox: `0 0 760 ${height}`, role: 'img', 'aria-label': label },
    ...posts,
    ...parts,
  );
}
