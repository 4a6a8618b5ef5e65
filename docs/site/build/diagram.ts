import { escape } from './html.js';
import type { Sequence, Step } from './sequence.js';

// Draws sequence diagrams when the site is built, so that pages need no program to show them. The colours are the page's own.

/** How wide a character is, on average, in the page's font at 13 pixels. */
const CHARACTER = 6.6;
const LINE = 17;
const HEAD = 34;
/** Between a line of text and what is beside it. */
const AIR = 12;
const NARROWEST = 120;

const widthOf = (lines: readonly string[]): number => Math.max(...lines.map((line) => line.length)) * CHARACTER;

/** Where the lines of the participants are, so far apart that all that is between them has room. */
function columnsOf({ participants, steps }: Sequence): number[] {
  const heads = participants.map(({ label }) => widthOf([label]) + 2 * AIR);
  const gaps = heads.slice(1).map((width, i) => Math.max(NARROWEST, (width + (heads[i] ?? 0)) / 2 + AIR));
  const needs = steps.flatMap((step): { first: number; last: number; width: number }[] => {
    if (step.type === 'message') {
      const [first, last] = [Math.min(step.from, step.to), Math.max(step.from, step.to)];
      return first === last ? [] : [{ first, last, width: widthOf(step.lines) + 3 * AIR }];
    }
    if (step.type === 'note' && step.first !== step.last) {
      return [{ first: step.first, last: step.last, width: widthOf(step.lines) - 2 * AIR }];
    }
    return [];
  });
  for (const { first, last, width } of needs.toSorted((a, b) => a.last - a.first - (b.last - b.first))) {
    const there = gaps.slice(first, last).reduce((sum, gap) => sum + gap, 0);
    const missing = Math.max(0, width - there) / (last - first);
    for (let i = first; i < last; i++) gaps[i] = (gaps[i] ?? 0) + missing;
  }
  const columns = [0];
  for (const [i, gap] of gaps.entries()) columns.push((columns[i] ?? 0) + gap);
  return columns;
}

const texts = (lines: readonly string[], x: number, y: number, anchor = 'middle'): string =>
  lines
    .map((line, i) => `<text x="${round(x)}" y="${round(y + i * LINE)}" text-anchor="${anchor}">${escape(line)}</text>`)
    .join('');

/** The tip of an arrow to the right (1) or to the left (-1). */
const tip = (x: number, y: number, to: number): string => `<path class="tip" d="M${round(x)} ${y}l${-8 * to} -4v8z" />`;

const round = (value: number): number => Math.round(value * 10) / 10;

/** What is drawn so far, how far it reaches, and which frames are open. */
class Drawing {
  readonly #parts: string[] = [];
  readonly #open: { readonly top: number; readonly parts: string[] }[] = [];
  y = HEAD + 2 * AIR;
  left: number;
  right: number;

  constructor(readonly columns: readonly number[]) {
    this.left = -NARROWEST / 2;
    this.right = (columns.at(-1) ?? 0) + NARROWEST / 2;
  }

  at(column: number): number {
    return this.columns[column] ?? 0;
  }

  add(part: string): void {
    this.#parts.push(part);
  }

  reach(left: number, right: number): void {
    this.left = Math.min(this.left, left);
    this.right = Math.max(this.right, right);
  }

  step(step: Step): void {
    if (step.type === 'message') this.#message(step);
    else if (step.type === 'note') this.#note(step);
    else if (step.type === 'close') this.#close();
    else this.#frame(step);
  }

  #message({ from, to, isDashed, isLost, lines }: Step & { readonly type: 'message' }): void {
    const [x1, x2] = [this.at(from), this.at(to)];
    const style = `class="arrow${isDashed ? ' dashed' : ''}"`;
    this.y += lines.length * LINE;
    if (from === to) {
      this.add(texts(lines, x1 + AIR, this.y - lines.length * LINE + LINE - 4, 'start'));
      this.add(`<path ${style} d="M${round(x1)} ${this.y}h28v14h-22" />${tip(x1, this.y + 14, -1)}`);
      this.reach(x1, x1 + AIR + widthOf(lines));
      this.y += 14;
    } else {
      const above = this.y - 6 - (lines.length - 1) * LINE;
      this.add(texts(lines, (x1 + x2) / 2, above));
      const direction = Math.sign(x2 - x1);
      const end = isLost ? x2 - direction * 24 : x2;
      const mark = isLost
        ? `<path class="lost" d="M${round(end - 5)} ${this.y - 5}l10 10m0 -10l-10 10" />`
        : tip(end, this.y, direction);
      this.add(`<path ${style} d="M${round(x1)} ${this.y}H${round(end - direction * 6)}" />${mark}`);
    }
    this.y += AIR;
  }

  #note({ first, last, lines }: Step & { readonly type: 'note' }): void {
    const middle = (this.at(first) + this.at(last)) / 2;
    const width = Math.max(widthOf(lines) + 2 * AIR, this.at(last) - this.at(first) + 4 * AIR);
    const height = lines.length * LINE + 10;
    this.add(
      `<rect class="note" x="${round(middle - width / 2)}" y="${this.y}" width="${round(width)}" height="${height}" rx="4" />`,
    );
    this.add(texts(lines, middle, this.y + LINE));
    this.reach(middle - width / 2, middle + width / 2);
    this.y += height + AIR;
  }

  #frame({ type, word, text }: Step & { readonly type: 'open' | 'part' }): void {
    const x = this.at(0) - NARROWEST / 2 + 4;
    const label = text === '' ? '' : ` <tspan class="soft">${escape(text)}</tspan>`;
    if (type === 'open') this.#open.push({ top: this.y, parts: [] });
    const last = this.#open.at(-1);
    if (type === 'part') last?.parts.push(`M${round(x)} ${this.y}H`);
    this.add(`<text x="${round(x + 8)}" y="${this.y + LINE - 2}" class="word">${word}${label}</text>`);
    this.reach(x, x + 16 + (word.length + text.length + 1) * CHARACTER);
    this.y += LINE + 8;
  }

  #close(): void {
    const frame = this.#open.pop();
    if (frame === undefined) return;
    const x = this.at(0) - NARROWEST / 2 + 4;
    const end = this.right - 4;
    this.add(
      `<rect class="frame" x="${round(x)}" y="${frame.top}" width="${round(end - x)}" height="${this.y - frame.top}" rx="4" />`,
    );
    for (const part of frame.parts) this.add(`<path class="frame dashed" d="${part}${round(end)}" />`);
    this.y += AIR;
  }

  toString(): string {
    return this.#parts.join('');
  }
}

/** In words, for those who do not see the picture. */
export function inWords({ participants, steps }: Sequence): string {
  const nameOf = (index: number) => participants[index]?.label ?? '';
  const items = steps.flatMap((step) => {
    if (step.type === 'close') return [];
    if (step.type === 'message') {
      const lost = step.isLost ? ' (lost)' : '';
      return [`${nameOf(step.from)} to ${nameOf(step.to)}${lost}: ${step.lines.join(' ')}`];
    }
    if (step.type === 'note')
      return [`${[...new Set([nameOf(step.first), nameOf(step.last)])].join(' and ')}: ${step.lines.join(' ')}`];
    return [`${step.word} ${step.text}`];
  });
  return `<ol class="unseen">${items.map((item) => `<li>${escape(item)}</li>`).join('')}</ol>`;
}

/**
 * Draws a sequence diagram as SVG.
 *
 * @param name what the diagram is of, for those who do not see it.
 */
export function drawSequence(sequence: Sequence, name: string): string {
  const drawing = new Drawing(columnsOf(sequence));
  for (const step of sequence.steps) drawing.step(step);
  const bottom = drawing.y;
  const heads = sequence.participants.map(({ label }, i) => {
    const [x, width] = [drawing.at(i), widthOf([label]) + 2 * AIR];
    drawing.reach(x - width / 2, x + width / 2);
    return (
      `<path class="life" d="M${round(x)} ${HEAD}V${bottom}" />` +
      `<rect class="head" x="${round(x - width / 2)}" y="1" width="${round(width)}" height="${HEAD - 2}" rx="6" />` +
      `<text x="${round(x)}" y="${HEAD / 2 + 5}" text-anchor="middle" class="name">${escape(label)}</text>`
    );
  });
  const [left, width] = [drawing.left - 2, drawing.right - drawing.left + 4];
  return (
    `<svg class="sequence" viewBox="${round(left)} 0 ${round(width)} ${bottom + 2}" width="${Math.round(width)}" height="${bottom + 2}" ` +
    `role="img" aria-label="${escape(name)}">${heads.join('')}${String(drawing)}</svg>`
  );
}
