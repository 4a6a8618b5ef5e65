import { inspect } from 'node:util';
import { InvalidOptionError } from './errors.js';
import { clean } from './words.js';

/** A value as it is shown in a message: short, on one line, and never the whole of a long secret. */
export function show(value: unknown): string {
  const text = typeof value === 'string' ? value : inspect(value, { depth: 1, breakLength: Infinity });
  return `\`${clean(text.length > 80 ? `${text.slice(0, 77)}…` : text)}\``;
}

/**
 * Reads a URL: `undefined` for a text that is none. Never throws, which `URL.canParse` followed by `new URL` may: for texts with
 * characters beyond ASCII Node 20 says that it can parse some which it then cannot.
 */
export function readUrl(text: string, base?: URL): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}

/** Makes the error for an option: what was expected and what came. */
export function invalidOption(name: string, expected: string, value: unknown): InvalidOptionError {
  return new InvalidOptionError(`Expected \`${name}\` to be ${expected}, got ${show(value)}`);
}

/**
 * Returns the value if it is an integer within bounds.
 *
 * @throws InvalidOptionError ``Expected `port` to be an integer from 0 to 65535, got `70000` ``
 */
export function expectInteger(name: string, value: unknown, minimum: number, maximum: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < minimum || value > maximum) {
    throw invalidOption(name, `an integer from ${minimum} to ${maximum}`, value);
  }
  return value;
}

/**
 * Checks that options have none but these names: one that is misspelt would be ignored silently.
 *
 * @param group what the options are called.
 * @throws InvalidOptionError ``Expected `limits` to be made of messageBytes, members, got `member` ``
 */
export function expectNames(group: string, options: unknown, names: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null)
    throw invalidOption(group, `an object of ${names.join(', ')}`, options);
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined) throw invalidOption(group, `made of ${names.join(', ')}`, unknown);
}

/**
 * Returns the value if it is one of the choices.
 *
 * @throws InvalidOptionError ``Expected `mode` to be one of p2p, direct, got `dir` ``
 */
export function expectOneOf<T extends string>(name: string, value: unknown, choices: readonly T[]): T {
  const choice = choices.find((candidate) => candidate === value);
  if (choice === undefined) throw invalidOption(name, `one of ${choices.join(', ')}`, value);
  return choice;
}

/** Reads a JSON object: `undefined` for any other text. Never throws. */
export function parseJsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** Reads a whole number of at most seven digits: `undefined` for any other text, and for one that is out of its bounds. */
export function readNumber(text: string, minimum: number, maximum: number): number | undefined {
  const value = /^[0-9]{1,7}$/.test(text) ? Number(text) : Number.NaN;
  return value >= minimum && value <= maximum ? value : undefined;
}

/** Reads a time or a duration of a line, in whole milliseconds: `undefined` for any other text. */
export function readTime(text: string): number | undefined {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

const BASE64URL = /^[A-Za-z0-9_-]*$/;

/** What the last of three and of two characters can be: the bits of it that stand for nothing are zero. */
const LAST_OF_THREE = 'AEIMQUYcgkosw048';
const LAST_OF_TWO = 'AQgw';

/** Whether a text is canonical base64url: one value has exactly one spelling. */
export function isBase64Url(text: string): boolean {
  const odd = text.length % 4;
  if (odd === 1 || !BASE64URL.test(text)) return false;
  const last = text.charAt(text.length - 1);
  return odd === 0 || (odd === 2 ? LAST_OF_TWO : LAST_OF_THREE).includes(last);
}

/**
 * The bytes of a canonical base64url text, or `undefined` for any other text: one value has exactly one spelling.
 */
export function decodeBase64Url(text: string): Buffer | undefined {
  return isBase64Url(text) ? Buffer.from(text, 'base64url') : undefined;
}

/** Whether a received value is a time or a duration, in whole milliseconds. */
export function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

const ID = /^[A-Za-z0-9_-]{1,32}$/;

/** Whether a received value has the form of an id: of an attempt, a request or a server. */
export function isId(value: unknown): value is string {
  return typeof value === 'string' && ID.test(value);
}

/** A channel's name has at most so many bytes of UTF-8. */
export const NAME_MAX_BYTES = 256;

/** Names of channels that begin so are the library's own. */
const OWN_NAMES = 'rxp2p:';

/**
 * Checks the name of an application's channel.
 *
 * @throws InvalidOptionError
 */
export function expectChannelName(name: unknown): string {
  const text = expectName('name', name, NAME_MAX_BYTES);
  if (text.startsWith(OWN_NAMES)) throw invalidOption('name', `one that does not begin with ${OWN_NAMES}`, name);
  return text;
}

/**
 * Checks a name.
 *
 * @param mostBytes how long it may be, in bytes of UTF-8.
 * @throws InvalidOptionError
 */
export function expectName(option: string, name: unknown, mostBytes: number): string {
  const isName = typeof name === 'string' && name.isWellFormed() && Buffer.byteLength(name) <= mostBytes;
  if (!isName) throw invalidOption(option, `a text of at most ${mostBytes} bytes`, name);
  return name;
}
