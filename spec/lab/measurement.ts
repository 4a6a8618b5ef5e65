/** What the matrix measures, and what it makes of it: pure. */

/** One `connect$`. */
export type Trial =
  | { readonly ok: true; readonly technique: string; readonly direct: boolean; readonly ms: number }
  | { readonly ok: false; readonly reason: string };

export interface PairResult {
  /** The dialer's and the listener's network, or the one they share. */
  readonly pair: readonly string[];
  /** What a packet takes to the listener and back: nothing where no access line lies between the two. */
  readonly roundTripMs: number;
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

export const summarize = ({ trials }: Pick<PairResult, 'trials'>): Summary => {
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

/** Those of some pairs that did not connect directly every time, or were not tried at all. */
export const notDirect = <P extends readonly string[]>({ pairs }: MatrixResult, musts: readonly P[]): P[] =>
  musts.filter((must) => {
    const result = pairs.find(({ pair }) => pair.join() === must.join());
    const { succeeded, tried, direct } = summarize(result ?? { trials: [] });
    return !direct || succeeded < tried;
  });

/** Reads what `--json` wrote. */
export const parseMatrixResult = (json: string): MatrixResult => {
  const value: unknown = JSON.parse(json);
  if (isMatrixResult(value)) return value;
  throw new Error('Expected the JSON that `matrix --json` writes');
};

const isMatrixResult = (value: unknown): value is MatrixResult =>
  isRecord(value) &&
  typeof value['wire'] === 'string' &&
  ['delayMs', 'jitterMs', 'loss', 'repeat'].every((name) => typeof value[name] === 'number') &&
  (value['bandwidthMbit'] === null || typeof value['bandwidthMbit'] === 'number') &&
  Array.isArray(value['pairs']) &&
  value['pairs'].every(
    (each: unknown) =>
      isRecord(each) &&
      isArrayOf(each['pair'], (name) => typeof name === 'string') &&
      typeof each['roundTripMs'] === 'number' &&
      isArrayOf(each['trials'], isTrial),
  );

const isTrial = (value: unknown): value is Trial =>
  isRecord(value) &&
  (value['ok'] === true
    ? typeof value['technique'] === 'string' && typeof value['direct'] === 'boolean' && typeof value['ms'] === 'number'
    : value['ok'] === false && typeof value['reason'] === 'string');

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const isArrayOf = (value: unknown, is: (each: unknown) => boolean): boolean => Array.isArray(value) && value.every(is);

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
