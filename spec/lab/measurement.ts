/** What the matrix measures, and what it makes of it: pure. */

/** The way that lines take. */
export interface Way {
  readonly technique: string;
  /** Not by way of a relay. */
  readonly direct: boolean;
}

/** One `connect$` that succeeded. */
export interface Won {
  readonly ok: true;
  /** The way of the first line. */
  readonly first: Way;
  /** From `connect$` to the first line at the other side. */
  readonly ms: number;
  /** The way in the end. */
  readonly last: Way;
  /** From `connect$` to the last change of way; null when there was none. */
  readonly movedMs: number | null;
}

/** One `connect$`. */
export type Trial = Won | { readonly ok: false; readonly reason: string };

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
  /** Each technique of a way in the end, the most frequent first. */
  readonly techniques: readonly string[];
  /** Whether the way in the end was direct each time. */
  readonly direct: boolean;
  /** To the first line. */
  readonly medianMs: number | undefined;
  /** To the way in the end, of those that began on another. */
  readonly medianMovedMs: number | undefined;
  /** Each reason once, the most frequent first. */
  readonly reasons: readonly string[];
}

export const summarize = ({ trials }: Pick<PairResult, 'trials'>): Summary => {
  const won = trials.filter((trial) => trial.ok);
  return {
    succeeded: won.length,
    tried: trials.length,
    techniques: byFrequency(won.map(({ last }) => last.technique)),
    direct: won.length > 0 && won.every(({ last }) => last.direct),
    medianMs: median(won.map(({ ms }) => ms)),
    medianMovedMs: median(won.flatMap(({ movedMs }) => movedMs ?? [])),
    reasons: byFrequency(trials.flatMap((trial) => (trial.ok ? [] : [trial.reason]))),
  };
};

/** Each technique that carried a first line, the most frequent first. */
export const firstTechniques = ({ trials }: Pick<PairResult, 'trials'>): string[] =>
  byFrequency(trials.flatMap((trial) => (trial.ok ? [trial.first.technique] : [])));

/** Those of some pairs that were not direct in the end every time, or were not tried at all. */
export const notDirect = <P extends readonly string[]>({ pairs }: MatrixResult, musts: readonly P[]): P[] =>
  musts.filter((must) => {
    const result = pairs.find(({ pair }) => pair.join() === must.join());
    const { succeeded, tried, direct } = summarize(result ?? { trials: [] });
    return !direct || succeeded < tried;
  });

/** The pairs that did not connect every time. */
export const notConnected = ({ pairs }: MatrixResult): (readonly string[])[] =>
  pairs.filter(({ trials }) => trials.length === 0 || trials.some(({ ok }) => !ok)).map(({ pair }) => pair);

/** What the first lines of one kind took. */
export interface FirstLines {
  /** The technique by which they went; undefined for all that were not dialled. */
  readonly technique: string | undefined;
  readonly count: number;
  readonly medianRoundTrips: number;
  /** Nine of ten took no longer. */
  readonly slowRoundTrips: number;
}

/** What the first lines took, by the technique that carried them: dialled ones, all others together, and each of those. */
export const firstLines = ({ pairs }: MatrixResult): FirstLines[] => {
  const lines = pairs.flatMap(({ roundTripMs, trials }) =>
    // Without an access line between the two there is no round trip to count in.
    roundTripMs === 0
      ? []
      : trials.flatMap((trial) =>
          trial.ok ? { technique: trial.first.technique, roundTrips: trial.ms / roundTripMs } : [],
        ),
  );
  const others = byFrequency(lines.map(({ technique }) => technique)).filter((technique) => technique !== DIALLED);
  return [DIALLED, undefined, ...others].flatMap((technique) => {
    const roundTrips = lines
      .filter((line) => (technique === undefined ? line.technique !== DIALLED : line.technique === technique))
      .map((line) => line.roundTrips);
    const [middle, slow] = [median(roundTrips), quantile(roundTrips, SLOW)];
    if (middle === undefined || slow === undefined) return [];
    return { technique, count: roundTrips.length, medianRoundTrips: middle, slowRoundTrips: slow };
  });
};

/** The technique that needs nobody but the peer. */
const DIALLED = 'direct';

const SLOW = 0.9;

/** What became of the connections that began by a relay. */
export interface Moves {
  readonly relayed: number;
  /** So many of them became direct. */
  readonly moved: number;
  /** So many of those {@link SOON_MS} after `connect$` at the latest. */
  readonly soon: number;
  readonly medianMs: number | undefined;
}

export const SOON_MS = 2_000;

export const moves = ({ pairs }: MatrixResult): Moves => {
  const won = pairs.flatMap(({ trials }) => trials.filter((trial) => trial.ok));
  const relayed = won.filter(({ first }) => !first.direct);
  const times = relayed.filter(({ last }) => last.direct).flatMap(({ movedMs }) => movedMs ?? []);
  return {
    relayed: relayed.length,
    moved: times.length,
    soon: times.filter((ms) => ms <= SOON_MS).length,
    medianMs: median(times),
  };
};

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
    ? typeof value['ms'] === 'number' &&
      (value['movedMs'] === null || typeof value['movedMs'] === 'number') &&
      isWay(value['first']) &&
      isWay(value['last'])
    : value['ok'] === false && typeof value['reason'] === 'string');

const isWay = (value: unknown): value is Way =>
  isRecord(value) && typeof value['technique'] === 'string' && typeof value['direct'] === 'boolean';

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const isArrayOf = (value: unknown, is: (each: unknown) => boolean): boolean => Array.isArray(value) && value.every(is);

export const median = (values: readonly number[]): number | undefined => {
  const sorted = values.toSorted((one, other) => one - other);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
};

/** The least of some values that a share of them does not exceed. */
const quantile = (values: readonly number[], share: number): number | undefined =>
  values.toSorted((one, other) => one - other)[Math.ceil(values.length * share) - 1];

const byFrequency = (values: readonly string[]): string[] => {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one).map(([value]) => value);
};
