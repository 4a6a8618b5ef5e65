// The playground of punching: two NATs are chosen, and what two nodes behind them do is shown step by step.
import { el } from '../dom.js';
import { watchWideParts } from '../wide-parts.js';
import { NAT_KINDS, NATS } from './nat.js';
import { simulate, type Choice } from './simulate.js';
import { stepsOf } from './steps.js';
import { NAMES } from './words.js';

/** More connections of others than any prediction bears. */
const MOST_OTHERS = 12;

/** Where the choice is kept: in the address, so that it can be passed on. */
interface State {
  readonly choices: readonly [Choice, Choice];
  readonly seed: number;
}

const START: State = {
  choices: [
    { kind: 'preserving', others: 0 },
    { kind: 'delta1', others: 0 },
  ],
  seed: 1,
};

function readState(hash: string): State {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''));
  const numberOf = (name: string, most: number): number | undefined => {
    const value = Number(parameters.get(name) ?? NaN);
    return Number.isInteger(value) && value >= 0 && value <= most ? value : undefined;
  };
  const choice = (who: 'a' | 'b', usual: Choice): Choice => {
    const kind = NAT_KINDS.find((each) => each === parameters.get(who)) ?? usual.kind;
    return { kind, others: numberOf(`${who}-others`, MOST_OTHERS) ?? 0 };
  };
  return {
    choices: [choice('a', START.choices[0]), choice('b', START.choices[1])],
    seed: numberOf('seed', 1_000_000) ?? START.seed,
  };
}

function writeState({ choices: [a, b], seed }: State): string {
  return `#${new URLSearchParams({ a: a.kind, b: b.kind, 'a-others': String(a.others), 'b-others': String(b.others), seed: String(seed) }).toString()}`;
}

class Playground {
  #state = readState(location.hash);
  #shown = 1;
  readonly #form = el('form', { class: 'choices', 'aria-label': 'The two NATs' });
  readonly #steps = el('ol', { class: 'steps' });
  readonly #next = el('button', { type: 'button', class: 'button' }, 'Next step');
  readonly #back = el('button', { type: 'button', class: 'button plain' }, 'Back');
  readonly #all = el('button', { type: 'button', class: 'button plain' }, 'All steps');
  readonly #again = el('button', { type: 'button', class: 'button plain' }, 'Other ports');

  constructor(root: HTMLElement) {
    this.#form.append(this.#choice(0), this.#choice(1));
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
    });
    const buttons = el(
      'div',
      { class: 'actions', role: 'group', 'aria-label': 'Steps' },
      this.#next,
      this.#back,
      this.#all,
      this.#again,
    );
    root.append(this.#form, this.#steps, buttons);
    this.#next.addEventListener('click', () => {
      this.#show(this.#shown + 1);
    });
    this.#back.addEventListener('click', () => {
      this.#show(this.#shown - 1);
    });
    this.#all.addEventListener('click', () => {
      this.#show(Infinity);
    });
    this.#again.addEventListener('click', () => {
      this.#change({ ...this.#state, seed: this.#state.seed + 1 });
    });
    this.#draw();
  }

  #choice(who: 0 | 1): HTMLElement {
    const { kind, others } = this.#state.choices[who];
    const select = el(
      'select',
      { id: `nat-${who}` },
      ...NAT_KINDS.map((each) => el('option', { value: each }, NATS[each].name)),
    );
    select.value = kind;
    const about = el('p', { class: 'soft', 'aria-live': 'polite' }, NATS[kind].about);
    const count = el('output', { for: `others-${who}` }, String(others));
    const range = el('input', {
      type: 'range',
      id: `others-${who}`,
      min: '0',
      max: String(MOST_OTHERS),
      value: String(others),
    });
    const update = () => {
      const chosen = NAT_KINDS.find((each) => each === select.value) ?? 'preserving';
      about.textContent = NATS[chosen].about;
      count.textContent = range.value;
      const choice: Choice = { kind: chosen, others: Number(range.value) };
      const [a, b] = this.#state.choices;
      this.#change({ ...this.#state, choices: who === 0 ? [choice, b] : [a, choice] });
    };
    select.addEventListener('change', update);
    range.addEventListener('input', update);
    return el(
      'fieldset',
      { class: who === 0 ? 'one' : 'two' },
      el('legend', {}, NAMES[who]),
      el('label', { for: `nat-${who}` }, 'The NAT'),
      select,
      about,
      el('label', { for: `others-${who}` }, 'Connections that others behind it make just before the punch: ', count),
      range,
    );
  }

  #change(state: State): void {
    this.#state = state;
    history.replaceState(null, '', writeState(state));
    this.#draw();
  }

  #draw(): void {
    const steps = stepsOf(simulate(this.#state.choices, this.#state.seed));
    this.#steps.replaceChildren(
      ...steps.map(({ title, body }) => el('li', {}, el('h2', { tabindex: '-1' }, title), el('div', {}, ...body))),
    );
    this.#show(this.#shown, true);
  }

  /** Shows the first so many steps, and goes to the last of them. */
  #show(count: number, stay = false): void {
    const steps = [...this.#steps.children];
    this.#shown = Math.max(1, Math.min(count, steps.length));
    for (const [i, step] of steps.entries()) if (step instanceof HTMLElement) step.hidden = i >= this.#shown;
    this.#back.disabled = this.#shown === 1;
    this.#next.disabled = this.#all.disabled = this.#shown === steps.length;
    watchWideParts();
    if (stay) return;
    const head = steps[this.#shown - 1]?.querySelector('h2');
    const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    head?.focus({ preventScroll: true });
    head?.scrollIntoView({ behavior: isCalm ? 'auto' : 'smooth', block: 'start' });
  }
}

const root = document.getElementById('punch');
if (root !== null) new Playground(root);
