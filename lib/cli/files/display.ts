import { interval, noop, type Subscription } from 'rxjs';
import { UnavailableError } from '../../errors.js';
import type { FilesStep } from '../../files/interface.js';
import { loadLogUpdate, loadUqr } from '../../packages.js';
import { clean } from '../../words.js';
import { reporter, type Report } from '../report.js';
import { filesText, Rate, sizeText, standingLines, standingText } from './text.js';

/** On a terminal, what happens is drawn anew so often, in milliseconds. */
const DRAW_MS = 200;

/** Elsewhere a line tells how far it is so often, and that something is waited for. */
const LINE_MS = 2_000;

/** For programs, so often. */
const EVENT_MS = 1_000;

/** It goes on by itself, or the connection is found to be gone. */
const NOTHING_COMES = 'nothing moves, waiting for the peer';

/** Draws over what was drawn before, until it is `done`. */
interface Drawing {
  (text: string): void;
  clear(): void;
  done(): void;
}

/** Draws on a terminal; `undefined` where the optional package for it was left out: lines are written then. */
async function drawingOn(terminal: NodeJS.WriteStream): Promise<Drawing | undefined> {
  try {
    return (await loadLogUpdate()).createLogUpdate(terminal, { showCursor: true });
  } catch (error) {
    if (error instanceof UnavailableError) return undefined;
    throw error;
  }
}

/** Shows a transfer on stderr: on a terminal with a bar, else line by line, or as JSON. */
export class Display {
  /** Tells something else. */
  readonly report: Report;
  readonly #how: 'drawn' | 'lines' | 'json';
  readonly #verb: string;
  readonly #drawing: Drawing | undefined;
  readonly #ticking: Subscription;
  readonly #rate = new Rate();
  #phase = '';
  #phaseAt = performance.now();
  #way = '';
  #of = { files: 0, bytes: 0 };
  #at: { path: string; files: number; bytes: number } | undefined;
  #shown = '';
  #shownAt = performance.now();
  #isPaused = false;

  /** @param verb what this side does, as in `sent`. */
  static async open(json: boolean | undefined, verb: string): Promise<Display> {
    const isDrawn = json !== true && process.stderr.isTTY && process.env['TERM'] !== 'dumb';
    return new Display(json, verb, isDrawn ? await drawingOn(process.stderr) : undefined);
  }

  private constructor(json: boolean | undefined, verb: string, drawing: Drawing | undefined) {
    this.#verb = verb;
    this.#drawing = drawing;
    this.#how = json === true ? 'json' : drawing === undefined ? 'lines' : 'drawn';
    const write = reporter(json);
    this.report = (event, fields, words) => {
      // What is drawn stays below the words.
      if (words !== undefined) this.#drawing?.clear();
      write(event, fields, words);
      if (words !== undefined) this.#draw();
    };
    const every = { drawn: DRAW_MS, lines: LINE_MS, json: EVENT_MS }[this.#how];
    this.#ticking = interval(every).subscribe({
      next: () => {
        this.#tick();
      },
      error: noop,
    });
  }

  /** Shows a text as a QR code, on a terminal that has room for it. */
  async qr(text: string): Promise<void> {
    if (this.#how === 'json' || !process.stderr.isTTY) return;
    const { renderUnicodeCompact } = await loadUqr();
    const code = renderUnicodeCompact(text, { border: 2, ecc: 'L' });
    this.report(
      'qr',
      {},
      code.indexOf('\n') < process.stderr.columns ? code : 'The terminal is too narrow for a QR code.',
    );
  }

  /** What is being done until contents come. */
  phase(words: string): void {
    if (words === this.#phase) return;
    this.#phase = words;
    this.#phaseAt = performance.now();
    this.#draw();
  }

  /** Which way the bytes take. */
  way(words: string): void {
    this.#way = words;
    this.#draw();
  }

  /** What the transfer tells. */
  step(step: FilesStep): void {
    switch (step.type) {
      case 'offer': {
        const { files, bytes } = step.offer;
        this.report('offer', { files, bytes }, undefined);
        break;
      }
      case 'comparing':
        this.report('comparing', { files: step.files, bytes: step.bytes }, undefined);
        this.phase('comparing what is there already');
        break;
      case 'started': {
        const { files, bytes, unchanged } = step;
        this.#of = { files, bytes };
        this.#at = { path: '', files: 0, bytes: 0 };
        const before = unchanged > 0 ? `, ${filesText(unchanged)} there already` : '';
        this.report('started', { files, bytes, unchanged }, `${filesText(files)} to go, ${sizeText(bytes)}${before}`);
        break;
      }
      case 'progress':
        this.#at = step;
        this.#rate.add(performance.now(), step.bytes);
        break;
      case 'file': {
        const { type, path, outcome, as, reason } = step;
        const name = clean(path);
        const words =
          outcome === 'failed'
            ? `${name}: ${reason ?? 'failed'}`
            : outcome === 'skipped'
              ? `${name}: skipped, another file is there`
              : as === undefined
                ? undefined
                : `${name} is there as ${clean(as)}`;
        this.report(
          type,
          { path, outcome, ...(as !== undefined && { as }), ...(reason !== undefined && { reason }) },
          words,
        );
        break;
      }
      case 'done': {
        const { type, ...counts } = step;
        this.#at = undefined;
        this.#phase = '';
        const more = [
          ...(counts.unchanged > 0 ? [`${counts.unchanged} there already`] : []),
          ...(counts.skipped > 0 ? [`${counts.skipped} skipped`] : []),
          ...(counts.failed > 0 ? [`${counts.failed} failed`] : []),
        ];
        this.report(type, counts, [`${filesText(counts.files)} ${this.#verb}`, ...more].join(', '));
      }
    }
  }

  /** Shows nothing while somebody is asked something. */
  async pausedFor<T>(ask: () => Promise<T>): Promise<T> {
    this.#isPaused = true;
    this.#drawing?.clear();
    try {
      return await ask();
    } finally {
      this.#isPaused = false;
    }
  }

  /** It has broken off: what comes is counted anew. */
  restart(): void {
    this.#at = undefined;
  }

  /** Shows nothing more. */
  close(): void {
    this.#ticking.unsubscribe();
    this.#drawing?.clear();
    this.#drawing?.done();
  }

  #tick(): void {
    if (this.#isPaused) return;
    if (this.#how === 'drawn') this.#draw();
    else {
      const text = this.#text();
      if (text === '') return;
      if (text === this.#shown && this.#at !== undefined) {
        const seconds = Math.round((performance.now() - this.#shownAt) / 1_000);
        this.report('waiting', { for: NOTHING_COMES, seconds }, `${NOTHING_COMES} … ${seconds} s`);
        return;
      }
      this.#shown = text;
      this.#shownAt = performance.now();
      if (this.#at === undefined) this.report('waiting', { for: this.#phase, seconds: this.#seconds }, text);
      else {
        const { path, files, bytes } = this.#at;
        this.report('progress', { path, files, bytes, of: this.#of, rate: Math.round(this.#rate.perSecond) }, text);
      }
    }
  }

  #draw(): void {
    if (this.#isPaused) return;
    const columns = process.stderr.columns;
    const text = this.#at === undefined ? this.#text() : standingLines(this.#standing(this.#at), columns);
    if (text !== '') this.#drawing?.(text);
  }

  #text(): string {
    if (this.#at !== undefined) return standingText(this.#standing(this.#at));
    if (this.#phase === '') return '';
    const way = this.#way === '' ? '' : ` (${this.#way})`;
    return `${this.#phase}${way} … ${this.#seconds} s`;
  }

  #standing(at: { readonly path: string; readonly files: number; readonly bytes: number }) {
    return { ...at, ofFiles: this.#of.files, ofBytes: this.#of.bytes, rate: this.#rate.perSecond, way: this.#way };
  }

  get #seconds(): number {
    return Math.round((performance.now() - this.#phaseAt) / 1_000);
  }
}
