import { el } from '../../dom.js';
import type { MemberState, Network, Place } from './network.js';

/** The size of the picture, in its own units. */
const [WIDTH, HEIGHT, AIR] = [760, 480, 28] as const;

const COLOURS = {
  page: '--page',
  ink: '--ink',
  soft: '--soft',
  line: '--line',
  accent: '--accent',
  good: '--good',
  two: '--two',
  bad: '--bad',
} as const;

type Colour = keyof typeof COLOURS;

/** Draws a room on a canvas: members, ways between neighbours, and messages under way. */
export class Picture {
  readonly canvas = el('canvas', {
    role: 'img',
    'aria-label': 'The members of the room, and the ways between neighbours',
  });
  readonly #probe = el('span', { hidden: '' });
  #colours: Readonly<Record<Colour, string>> | undefined;

  constructor() {
    document.body.append(this.#probe);
    const forget = () => (this.#colours = undefined);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', forget);
    new MutationObserver(forget).observe(document.documentElement, { attributes: true });
  }

  draw(network: Network): void {
    const ratio = devicePixelRatio;
    const width = Math.round(this.canvas.clientWidth * ratio);
    const height = Math.round((width * HEIGHT) / WIDTH);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const context = this.canvas.getContext('2d');
    if (context === null) return;
    context.setTransform(width / WIDTH, 0, 0, width / WIDTH, 0, 0);
    context.clearRect(0, 0, WIDTH, HEIGHT);
    const colours = (this.#colours ??= this.#look());
    for (const { one, other, isBranch } of network.ways) {
      const [a, b] = [pointOf(one.place), pointOf(other.place)];
      context.strokeStyle = isBranch ? colours.accent : colours.line;
      context.lineWidth = isBranch ? 1.8 : 1.2;
      context.setLineDash(isBranch ? [] : [4, 4]);
      context.beginPath();
      context.moveTo(a.x, a.y);
      context.lineTo(b.x, b.y);
      context.stroke();
    }
    context.setLineDash([]);
    for (const { from, to, type, leavesMs, arrivesMs } of network.flights) {
      const [a, b] = [pointOf(from.place), pointOf(to.place)];
      const part = Math.min(1, (network.now - leavesMs) / (arrivesMs - leavesMs));
      const colour = type === 'gossip' ? colours.two : type === 'prune' ? colours.bad : colours.soft;
      dot(context, { x: a.x + (b.x - a.x) * part, y: a.y + (b.y - a.y) * part }, type === 'gossip' ? 5 : 2.5, colour);
    }
    for (const member of network.present) this.#member(context, member, colours);
  }

  /** Who is at a point of the canvas. */
  memberAt(network: Network, event: MouseEvent): MemberState | undefined {
    const box = this.canvas.getBoundingClientRect();
    const scale = WIDTH / box.width;
    const point = { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
    return network.present.find(({ place }) => {
      const at = pointOf(place);
      return Math.hypot(at.x - point.x, at.y - point.y) < 16;
    });
  }

  #member(
    context: CanvasRenderingContext2D,
    { place, hops }: MemberState,
    colours: Readonly<Record<Colour, string>>,
  ): void {
    const at = pointOf(place);
    dot(context, at, 11, colours.page);
    dot(context, at, 9, hops === undefined ? colours.soft : hops === 0 ? colours.two : colours.good);
    if (hops === undefined) return;
    context.fillStyle = colours.page;
    context.font = '600 11px system-ui, sans-serif';
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.fillText(String(hops), at.x, at.y + 0.5);
  }

  #look(): Readonly<Record<Colour, string>> {
    const read = (name: Colour): string => {
      this.#probe.style.color = `var(${COLOURS[name]})`;
      return getComputedStyle(this.#probe).color;
    };
    return {
      page: read('page'),
      ink: read('ink'),
      soft: read('soft'),
      line: read('line'),
      accent: read('accent'),
      good: read('good'),
      two: read('two'),
      bad: read('bad'),
    };
  }
}

function pointOf({ x, y }: Place): Place {
  return { x: AIR + x * (WIDTH - 2 * AIR), y: AIR + y * (HEIGHT - 2 * AIR) };
}

function dot(context: CanvasRenderingContext2D, { x, y }: Place, radius: number, colour: string): void {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}
