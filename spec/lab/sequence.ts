/** Numbered lines, and whether those that came are all, each once, and in order: pure. */

/** What has come so far. */
export interface Arrival {
  /** So many lines, and, as long as nothing is wrong, the number of the next. */
  readonly count: number;
  /** The first thing that was wrong, in words. */
  readonly fault: string | undefined;
}

export const NOTHING_YET: Arrival = { count: 0, fault: undefined };

/** The line of a number. */
export const numberedLine = (number: number): string => `line ${number}`;

/** What has come with one more line. */
export const withLine = ({ count, fault }: Arrival, text: string): Arrival => ({
  count: count + 1,
  fault: fault ?? (text === numberedLine(count) ? undefined : `Expected line ${count}, got \`${text.slice(0, 80)}\``),
});
