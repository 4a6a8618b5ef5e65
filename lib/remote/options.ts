import { expectName, expectNames, expectOneOf, invalidOption } from '../validate.js';
import type { CodecOption, ExposeOptions } from './interface.js';

/** The longest name of an object, in bytes: the name of a channel has room for it. */
export const OBJECT_NAME_BYTES = 200;

/** The name of a codec. It is part of a channel's name, so that a peer with another codec refuses the call. */
export type CodecName = 'json' | 'messagepack' | 'own';

/** The name of a codec, as it is part of a channel's name. */
export function codecNameOf(codec: CodecOption = 'json'): CodecName {
  return typeof codec === 'string' ? expectOneOf('codec', codec, ['json', 'messagepack']) : 'own';
}

/**
 * Checks the options for exposing an object.
 *
 * @param taken the names that are in use, each with its codec.
 * @returns its name, with its codec.
 * @throws InvalidOptionError
 */
export function expectExposeOptions(options: ExposeOptions, taken: ReadonlySet<string>): string {
  // Misspelt schemas would let everything in.
  expectNames('options', options, ['as', 'codec', 'overflow', 'schemas']);
  const { as, codec, overflow = 'fail' } = options;
  expectOneOf('overflow', overflow, ['fail', 'latest', 'drop-oldest']);
  const name = `${codecNameOf(codec)}:${expectName('as', as, OBJECT_NAME_BYTES)}`;
  if (taken.has(name)) throw invalidOption('as', 'a name that nothing is exposed by yet', as);
  return name;
}
