/** What the matrix measures, and what it makes of it: pure. */

/** One `connect$`. */
export type Trial =
  | { readonly ok: true; readonly technique: string; readonly direct: boolean; readonly ms: number }
  | { readonly ok: false; readonly reason: string };

export interface PairResult {
  /** The dialer's and the listener's network, or the one they share. */
  readonly pair: readonly string[];
  readonly trials: readonly Trial[];
}

/** What `--json` writes and `table` reads. */
export interface MatrixResult {
  readonly wire: string;
  readonly delayMs: number;
  readonly jitterMs: number;
  readonly loss: number;
  readonly bandwidthMbit: number | null;
  readonly repeat: number;
  readonly pairs: readonly PairResult[];
}

export interface Summary {
  readonly succeeded: number;
  readonly tried: number;
  /** Each technique that won, the most frequent first. */
  readonly techniques: readonly string[];
  readonly direct: boolean;
  readonly medianMs: number | undefined;
  /** Each reason once, the most frequent first. */
  readonly reasons: readonly string[];
}

export const summarize = ({ trials }: PairResult): Summary => {
  const won = trials.filter((trial) => trial.ok);
  return {
    succeeded: won.length,
    tried: trials.length,
    techniques: byFrequency(won.map(({ technique }) => technique)),
    direct: won.length > 0 && won.every(({ direct }) => direct),
    medianMs: median(won.map(({ ms }) => ms)),
    reasons: byFrequency(trials.flatMap((trial) => (trial.ok ? [] : [trial.reason]))),
  };
};

export const median = (values: readonly number[]): number | undefined => {
  const sorted = values.toSorted((one, other) => one - other);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
};

const byFrequency = (values: readonly string[]): string[] => {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one).map(([value]) => value);
};
