/**
 * What a terminal obeys, and what hides or reorders text: control characters (C0, DEL and C1, so ESC, OSC and CSI too), format
 * characters (bidirectional controls among them), line and paragraph separators, and surrogates without their other half.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** The same but for what is part of ordinary lines and does no harm: tabs, and the joiners of emoji and of Persian. */
const UNPRINTABLE_IN_LINES = /(?![\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** A sentence of a peer's or a server's is no longer, in characters. */
const MAX_WORDS_LENGTH = 256;

/**
 * A text without what a terminal would obey, a space in the place of each such character. For whatever has come over the network and
 * may end in a message, a log or a terminal.
 *
 * @example
 * clean('bye\u001b[2J'); // 'bye [2J'
 */
export function clean(text: string): string {
  return text.replaceAll(UNPRINTABLE, ' ');
}

/** A peer's or a server's words as they may be shown to people: {@link clean}, and not too long. */
export function oneLine(text: string): string {
  return clean(text.slice(0, MAX_WORDS_LENGTH));
}

/** A line of an application's as a terminal may be shown it: {@link clean}, but with its tabs and joined characters. */
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

/** A duration in words, by the largest unit of which there are two. Pure. */
export function durationOf(ms: number): string {
  const [unit, name] = UNITS.find(([each]) => Math.abs(ms) >= 2 * each) ?? [SECOND_MS, 'seconds'];
  return `${Math.round(Math.abs(ms) / unit)} ${name}`;
}
