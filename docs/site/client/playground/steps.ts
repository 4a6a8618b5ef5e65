import { el } from '../dom.js';
import { ladder } from './ladder.js';
import { portMap } from './port-map.js';
import type { Run, Side } from './simulate.js';
import { fateWords, NAMES, natWords, outcomeWords, planWords, predictionWords, sizeWords } from './words.js';

/** A step of the punch, as it is shown. */
export interface Shown {
  readonly title: string;
  readonly body: readonly (Node | string)[];
}

/** SYNs that are told of in words, one by one. */
const TOLD = 16;

export function stepsOf(run: Run): readonly Shown[] {
  const { sides, plans, flights } = run;
  const outcome = outcomeWords(run);
  const end: Shown = {
    title: 'What opens',
    body: [el('p', { class: `outcome ${outcome.isOpen ? 'good' : 'bad'}` }, outcome.head), el('p', {}, outcome.why)],
  };
  const looks: Shown = {
    title: 'Each node has two servers look at its NAT',
    body: [
      el(
        'p',
        {},
        'Five local ports, one after the other, each to both servers. What a server sees tells how the NAT gives ports.',
      ),
      beside(sides, lookOf),
    ],
  };
  const told: Shown = {
    title: 'Each predicts the ports that come next',
    body: [
      beside(sides, predictionOf),
      el(
        'p',
        {},
        'Both tell each other their NAT’s type, their address and these ports, in a message sealed to the other’s key.',
      ),
    ],
  };
  if (plans === undefined) return [looks, told, { title: 'Both plan', body: [el('p', {}, sizeWords(sides))] }, end];
  const planned: Shown = {
    title: 'Both plan, each by itself, and the plans fit',
    body: [el('p', {}, sizeWords(sides)), beside(plans, (plan) => [el('p', {}, planWords(plan))])],
  };
  const random = sides.findIndex(({ own }) => own.natType.type === 'random');
  const sent: Shown = {
    title: 'The SYNs leave at the same moment',
    body: [
      el('div', { class: 'scroll' }, ladder(flights)),
      flights.length <= TOLD
        ? el(
            'ol',
            { class: 'fates' },
            ...flights.map((flight) =>
              el(
                'li',
                {},
                el(
                  'b',
                  { class: flight.from === 0 ? 'one' : 'two' },
                  `${NAMES[flight.from]} ${flight.externalPort} → ${flight.toPort}`,
                ),
                ` ${fateWords(flight)}`,
              ),
            ),
          )
        : el(
            'p',
            {},
            `${flights.length} SYNs until one is in. Each line is one; those that end short of the other side are dropped there.`,
          ),
      ...(random < 0 || flights.length <= TOLD ? [] : [portMap(flights, random === 0 ? 0 : 1)]),
    ],
  };
  return [looks, told, planned, sent, end];
}

function beside<T>(both: readonly [T, T], show: (one: T) => readonly (Node | string)[]): HTMLElement {
  const parts = both.map((one, i) =>
    el('div', { class: i === 0 ? 'one' : 'two' }, el('h4', {}, NAMES[i === 0 ? 0 : 1]), ...show(one)),
  );
  return el('div', { class: 'pair' }, ...parts);
}

function lookOf({ samples, classification }: Side): Node[] {
  const ports = [...new Set(samples.map(({ localPort }) => localPort))];
  const cells = (localPort: number) =>
    samples
      .filter((sample) => sample.localPort === localPort)
      .map(({ observed }) => el('td', {}, String(observed.port)));
  const head = ['local port', 'server 1 sees', 'server 2 sees'].map((name) => el('th', { scope: 'col' }, name));
  const rows = ports.map((port) => el('tr', {}, el('td', {}, String(port)), ...cells(port)));
  const { natType, confidence } = classification;
  return [
    el('div', { class: 'scroll' }, el('table', {}, el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...rows))),
    el(
      'p',
      {},
      el('code', {}, natType.type === 'delta' ? `delta ${natType.delta}` : natType.type),
      ` by ${Math.round(confidence * 100)} % of what was seen. ${natWords(natType)}`,
    ),
  ];
}

function predictionOf(side: Side): Node[] {
  const ports = side.own.ports.map((port) => el('li', {}, String(port)));
  const list = ports.length === 0 ? el('p', { class: 'soft' }, 'no port') : el('ul', { class: 'ports' }, ...ports);
  return [list, el('p', {}, predictionWords(side))];
}
