import { cleanLine } from '../../words.js';

// How a transfer is shown: pure.

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** A number of bytes for people, as in `12.3 MB`. */
export function sizeText(bytes: number): string {
  let [value, unit] = [bytes, 0];
  // What would be rounded to 1000 is one of the next unit.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ''}`;
}

/** A time for people, as in `2 min 5 s`. */
export function timeText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}

/** So many files, as in `1 file`. */
export const filesText = (count: number): string => `${count} ${count === 1 ? 'file' : 'files'}`;

/** A rate is that of the last seconds, in milliseconds. */
const WINDOW_MS = 5_000;

/** How fast something goes at the moment. */
export class Rate {
  #samples: (readonly [at: number, bytes: number])[] = [];

  /** So many bytes have passed by now, in all. */
  add(now: number, bytes: number): void {
    this.#samples.push([now, bytes]);
    const first = this.#samples.findIndex(([at]) => at >= now - WINDOW_MS);
    if (first > 0) this.#samples = this.#samples.slice(first);
  }

  /** In bytes a second; 0 before it is known. */
  get perSecond(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last[0] - first[0] < 1) return 0;
    return ((last[1] - first[1]) / (last[0] - first[0])) * 1_000;
  }
}

/** How far a transfer is. */
export interface Standing {
  readonly path: string;
  readonly files: number;
  readonly bytes: number;
  readonly ofFiles: number;
  readonly ofBytes: number;
  /** In bytes a second. */
  readonly rate: number;
  /** Which way the bytes take. */
  readonly way: string;
}

/** How far a transfer is, in words. */
export function standingText({ files, bytes, ofFiles, ofBytes, rate, way }: Standing): string {
  const left = rate > 0 && bytes < ofBytes ? [`${timeText((ofBytes - bytes) / rate)} left`] : [];
  const parts = [
    `${sizeText(bytes)} of ${sizeText(ofBytes)}`,
    ...(ofFiles > 1 ? [`${files} of ${filesText(ofFiles)}`] : []),
    ...(rate > 0 ? [`${sizeText(rate)}/s`] : []),
    ...left,
    ...(way === '' ? [] : [way]),
  ];
  return parts.join(', ');
}

const BAR_WIDTH = 24;

/** The same for a terminal: the file, and a bar before the words. */
export function standingLines(standing: Standing, columns: number): string {
  const part = standing.ofBytes === 0 ? 1 : Math.min(1, standing.bytes / standing.ofBytes);
  const full = Math.floor(part * BAR_WIDTH);
  const bar = `[${'#'.repeat(full)}${'-'.repeat(BAR_WIDTH - full)}] ${Math.floor(part * 100)} %`;
  const words = `${bar}  ${standingText(standing)}`.slice(0, Math.max(1, columns - 1));
  return `${cutText(cleanLine(standing.path), columns)}\n${words}`;
}

const CHARACTERS = new Intl.Segmenter();

/** Cuts a text off at the left, where names are alike, so that it fits on a line. */
export function cutText(text: string, columns: number): string {
  const characters = Array.from(CHARACTERS.segment(text), ({ segment }) => segment);
  const most = Math.max(1, columns - 1);
  return characters.length <= most ? text : `…${characters.slice(characters.length - most + 1).join('')}`;
}
