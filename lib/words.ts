/**
 * Characters that control a terminal, or that hide or reorder text: control characters (C0, DEL and C1, so ESC, OSC and CSI too),
 * format characters (bidirectional controls among them), line and paragraph separators, and surrogates without their other half.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** The same without harmless characters of ordinary lines: tabs, and the joiners of emoji and of Persian. */
const UNPRINTABLE_IN_LINES = /(?![\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** The longest text of a peer or a server that is shown, in characters. */
const MAX_WORDS_LENGTH = 256;

/**
 * Replaces each character that controls a terminal by a space. For any text from the network that may be shown in a message, a
 * log or a terminal.
 *
 * @example
 * clean('bye\u001b[2J'); // 'bye [2J'
 */
export function clean(text: string): string {
  return text.replaceAll(UNPRINTABLE, ' ');
}

/** Text of a peer or a server for display: {@link clean}, and cut to a limit. */
export function oneLine(text: string): string {
  return clean(text.slice(0, MAX_WORDS_LENGTH));
}

/** A line of an application for a terminal: {@link clean}, but with its tabs and joined characters. */
export function cleanLine(text: string): string {
  return text.replaceAll(UNPRINTABLE_IN_LINES, ' ');
}

const [SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS] = [1_000, 60_000, 3_600_000, 86_400_000] as const;
const UNITS = [
  [DAY_MS, 'days'],
  [HOUR_MS, 'hours'],
  [MINUTE_MS, 'minutes'],
  [SECOND_MS, 'seconds'],
] as const;

/** A duration in words, in the largest unit that gives at least two. Pure. */
export function durationOf(ms: number): string {
  const [unit, name] = UNITS.find(([each]) => Math.abs(ms) >= 2 * each) ?? [SECOND_MS, 'seconds'];
  return `${Math.round(Math.abs(ms) / unit)} ${name}`;
}
