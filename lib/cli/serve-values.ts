import { invalidOption } from '../validate.js';
import type { ServeOption } from './serve-options.js';

/** Limits, by server and name. */
export type Limits = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** The value of an option. */
export type Value = boolean | number | string | readonly string[] | Limits;

/** The limits that there are, with their defaults. */
type KnownLimits = Readonly<Record<string, object>>;

/**
 * Reads a value that is a text: that of a flag, or of the environment.
 *
 * @param name what the option is called where it was given.
 * @throws InvalidOptionError when it is not what was expected.
 */
export function parseValue(option: ServeOption, text: string, name: string, known: KnownLimits): Value {
  switch (option.kind) {
    case 'switch':
      if (text !== 'true' && text !== 'false') throw invalidOption(name, 'true or false', text);
      return text === 'true';
    case 'integer':
      return expectNumber(option, /^[0-9]{1,15}$/.test(text) ? Number(text) : text, name);
    case 'text':
      return expectText(option, text, name);
    case 'texts':
      return listOf(text);
    case 'limits':
      return listOf(text).reduce<Limits>((limits, entry) => {
        const [, server, limit, number] = /^(\w+)\.(\w+)=(\d{1,15})$/.exec(entry) ?? [];
        if (server === undefined || limit === undefined) throw invalidOption(name, 'SERVER.NAME=N', entry);
        return withLimits(limits, expectLimits({ [server]: { [limit]: Number(number) } }, name, known));
      }, {});
  }
}

/**
 * Checks a value that came as JSON.
 *
 * @param name what the option is called where it was given.
 * @throws InvalidOptionError when it is not what was expected.
 */
export function checkValue(option: ServeOption, value: unknown, name: string, known: KnownLimits): Value {
  switch (option.kind) {
    case 'switch':
      if (typeof value !== 'boolean') throw invalidOption(name, 'true or false', value);
      return value;
    case 'integer':
      return expectNumber(option, value, name);
    case 'text':
      return expectText(option, value, name);
    case 'texts':
      if (!isTexts(value))
        throw invalidOption(name, 'a list of texts', option.isSecret === true ? 'something else' : value);
      return value;
    case 'limits':
      return expectLimits(value, name, known);
  }
}

/** Limits with others over them. */
export function withLimits(limits: Limits, over: Limits): Limits {
  const merged = { ...limits };
  for (const [server, own] of Object.entries(over)) merged[server] = { ...merged[server], ...own };
  return merged;
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string');
}

function expectNumber(
  { least = 0, most = Number.MAX_SAFE_INTEGER }: ServeOption,
  value: unknown,
  name: string,
): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalidOption(name, `an integer from ${least} to ${most}`, value);
}

function expectText({ choices, isSecret = false }: ServeOption, value: unknown, name: string): string {
  if (typeof value !== 'string') throw invalidOption(name, 'a text', isSecret ? 'something else' : value);
  if (choices?.includes(value) === false) throw invalidOption(name, `one of ${choices.join(', ')}`, value);
  return value;
}

function expectLimits(value: unknown, name: string, known: KnownLimits): Limits {
  const limits: Record<string, Record<string, number>> = {};
  for (const [server, own] of entriesOf(value, name, 'an object of servers, each an object of limits')) {
    const names = Object.hasOwn(known, server) ? known[server] : undefined;
    if (names === undefined) throw invalidOption(name, `made of ${Object.keys(known).join(', ')}`, server);
    limits[server] = {};
    for (const [limit, number] of entriesOf(own, `${name}.${server}`, 'an object of limits')) {
      if (!Object.hasOwn(names, limit)) {
        throw invalidOption(`${name}.${server}`, `made of ${Object.keys(names).join(', ')}`, limit);
      }
      if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 1) {
        throw invalidOption(`${name}.${server}.${limit}`, 'an integer from 1', number);
      }
      limits[server][limit] = number;
    }
  }
  return limits;
}

function entriesOf(value: unknown, name: string, expected: string): [string, unknown][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return Object.entries(value);
  throw invalidOption(name, expected, value);
}
