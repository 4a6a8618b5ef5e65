import { randomInt } from 'node:crypto';
import { InvalidOptionError } from '../errors.js';
import { show } from '../validate.js';
import { CODE_WORDS } from './word-list.js';

/** A code that one person tells another: `7-otter-violet`. */
export interface Code {
  /** Where the two nodes meet: the number in front. It is no secret. */
  readonly slot: number;
  /** The secret, words of {@link CODE_WORDS}. */
  readonly words: readonly string[];
}

/** Of 65,536 pairs of words a stranger may try three, before the slot is closed; of 16,777,216 triples, too. */
const FEWEST_WORDS = 2;

/** A code has no more words. */
const MOST_WORDS = 4;

/** The greatest number in front of a code. */
export const MOST_SLOT = 999_999;

/** By the first letters of a word it is known. */
const KNOWN_BY = 3;

/**
 * Makes a code with words that nobody can guess.
 *
 * @param slot the number in front, from 0 to 999,999.
 * @param count how many words. Default: 2.
 * @param random gives a random integer below another.
 */
export function newCode(slot: number, count = FEWEST_WORDS, random: (below: number) => number = randomInt): Code {
  const words = Array.from({ length: count }, () => CODE_WORDS[random(CODE_WORDS.length)] ?? '');
  return { slot, words };
}

/**
 * The code as it is told.
 *
 * @example
 * formatCode({ slot: 7, words: ['otter', 'violet'] }); // '7-otter-violet'
 */
export function formatCode({ slot, words }: Code): string {
  return [slot, ...words].join('-');
}

/**
 * Reads a code as a person types it: in any case, with spaces or hyphens, and each word by its first three letters or more.
 *
 * @throws InvalidOptionError with what was expected, and which words are meant, perhaps. The message has the wrong word alone, not the code.
 *
 * @example
 * formatCode(parseCode('7 Ott VIOLET')); // '7-otter-violet'
 */
export function parseCode(text: string): Code {
  const [number = '', ...typed] = text
    .trim()
    .toLowerCase()
    .split(/[\s-]/)
    .filter((part) => part !== '');
  const slot = /^\d{1,6}$/.test(number) ? Number(number) : Number.NaN;
  if (!(slot <= MOST_SLOT) || typed.length < FEWEST_WORDS || typed.length > MOST_WORDS)
    throw new InvalidOptionError('Expected a code such as 7-otter-violet: a number, and two words');
  return { slot, words: typed.map(wordOf) };
}

/**
 * What may be typed next in a code: the whole code up to the end of each word that fits.
 *
 * @example
 * completeCode('7-ott'); // ['7-otter']
 */
export function completeCode(typed: string): string[] {
  const [, before = '', begun = ''] = /^(\d{1,6}-(?:[a-z]{1,16}-){0,3})([a-z]{0,16})$/.exec(typed.toLowerCase()) ?? [];
  if (before === '') return [];
  return CODE_WORDS.filter((word) => word.startsWith(begun)).map((word) => `${before}${word}`);
}

function wordOf(typed: string): string {
  const word = typed.length < KNOWN_BY ? undefined : CODE_WORDS.find((each) => each.startsWith(typed));
  if (word !== undefined) return word;
  // Slips of the finger are behind the first letters as a rule; where they are not, nothing is suggested.
  const near = CODE_WORDS.filter((each) => each.slice(0, KNOWN_BY - 1) === typed.slice(0, KNOWN_BY - 1));
  const meant = near.length === 0 ? '' : `: ${near.join(', ')}?`;
  throw new InvalidOptionError(`Expected a word of codes, got ${show(typed.slice(0, 16))}${meant}`);
}
