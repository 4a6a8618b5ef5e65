/** The lines that `rxp2p connect --json` writes on stderr, as far as the matrix needs them: pure. */

export type Event =
  | { readonly event: 'connecting' }
  | {
      readonly event: 'attempt';
      readonly technique: string;
      readonly outcome: string;
      readonly reason: string | undefined;
    }
  /** The first way that the lines take, and each later one. */
  | { readonly event: 'connected' | 'path'; readonly technique: string; readonly direct: boolean };

/** `undefined` for events of other kinds, and for lines that are not events at all. */
export const parseEvent = (line: string): Event | undefined => {
  const fields = parseObject(line);
  const text = (name: string) => (typeof fields[name] === 'string' ? fields[name] : undefined);
  const technique = text('technique') ?? 'unnamed';
  switch (fields['event']) {
    case 'connecting':
      return { event: 'connecting' };
    case 'attempt':
      return { event: 'attempt', technique, outcome: text('outcome') ?? '', reason: text('reason') };
    case 'connected':
    case 'path':
      return { event: fields['event'], technique, direct: fields['direct'] === true };
    default:
      return undefined;
  }
};

/** One sentence on why there is no connection: each technique with its reason, or else the program's last words. */
export const failureReason = (events: readonly Event[], lastWords: readonly string[]): string => {
  const attempts = events.filter((event) => event.event === 'attempt');
  if (attempts.length > 0)
    return attempts.map(({ technique, outcome, reason }) => `${technique}: ${reason ?? outcome}`).join('; ');
  return lastWords.findLast((line) => line.trim() !== '') ?? 'it said nothing';
};

const parseObject = (line: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
};
