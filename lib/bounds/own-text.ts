/**
 * A text that can be kept without keeping a longer one in memory: a part of a text, as `split` and `slice` give it, refers to the whole,
 * and a word of ten characters may keep a line of 24 KiB. Pure.
 *
 * @param text well-formed Unicode.
 *
 * @example
 * const word = ownText('a long line'.split(' ')[1] ?? '');
 */
export function ownText(text: string): string {
  return Buffer.from(text).toString();
}
