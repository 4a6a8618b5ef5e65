import { el } from '../dom.js';
import type { Flight } from './simulate.js';

/** All ports of a NAT as a square: 256 columns, a pixel each. */
const COLUMNS = 256;

/**
 * All 65,536 ports of the NAT with random ports: which it has given, which were tried, and where both met.
 *
 * @param random whose NAT it is.
 */
export function portMap(flights: readonly Flight[], random: 0 | 1): HTMLElement {
  const canvas = el('canvas', { width: String(COLUMNS * 2), height: String(COLUMNS * 2), role: 'img' });
  const given = flights.filter(({ from }) => from === random);
  const tried = flights.filter(({ from }) => from !== random);
  const hit = flights.find(({ fate }) => fate === 'opens');
  const hitPort = hit === undefined ? undefined : hit.from === random ? hit.externalPort : hit.toPort;
  const words = `Of 65,536 ports the NAT has given ${given.length} by then, and ${tried.length} were tried`;
  canvas.setAttribute('aria-label', words);
  const context = canvas.getContext('2d');
  const dots = (ports: readonly number[], colour: string, size: number) => {
    if (context === null) return;
    context.fillStyle = colour;
    for (const port of ports) context.fillRect((port % COLUMNS) * 2, Math.floor(port / COLUMNS) * 2, size, size);
  };
  // A canvas knows no custom properties; an element does.
  const probe = el('span');
  document.body.append(probe);
  const colourOf = (name: string) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const [mine, theirs] = random === 0 ? ['--one', '--two'] : ['--two', '--one'];
  dots(
    tried.map(({ toPort }) => toPort),
    colourOf(theirs),
    2,
  );
  dots(
    given.map(({ externalPort }) => externalPort),
    colourOf(mine),
    4,
  );
  if (context !== null && hitPort !== undefined) {
    context.strokeStyle = colourOf('--good');
    context.lineWidth = 3;
    context.beginPath();
    context.arc((hitPort % COLUMNS) * 2 + 2, Math.floor(hitPort / COLUMNS) * 2 + 2, 11, 0, 2 * Math.PI);
    context.stroke();
  }
  probe.remove();
  const where = hitPort === undefined ? '' : `, and met at port ${hitPort}`;
  return el('figure', { class: 'port-map' }, canvas, el('figcaption', {}, `Each pixel is a port. ${words}${where}.`));
}
