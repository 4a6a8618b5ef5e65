import { expectName, expectOneOf, invalidOption } from '../validate.js';
import type { CodecOption, ExposeOptions } from './interface.js';

/** The longest name of an object, in bytes: there is room for it in the name of a channel. */
export const OBJECT_NAME_BYTES = 200;

/** Part of the names of channels, so that who has another codec does not understand. */
export type CodecName = 'json' | 'messagepack' | 'own';

/** What a codec is called. */
export function codecNameOf(codec: CodecOption = 'json'): CodecName {
  return typeof codec === 'string' ? expectOneOf('codec', codec, ['json', 'messagepack']) : 'own';
}

/**
 * Checks how an object is to be exposed.
 *
 * @param taken the names that something is exposed by, each with its codec.
 * @returns its name, with its codec.
 * @throws InvalidOptionError
 */
export function expectExposeOptions(
  { as, codec, overflow = 'fail' }: ExposeOptions,
  taken: ReadonlySet<string>,
): string {
  expectOneOf('overflow', overflow, ['fail', 'latest', 'drop-oldest']);
  const name = `${codecNameOf(codec)}:${expectName('as', as, OBJECT_NAME_BYTES)}`;
  if (taken.has(name)) throw invalidOption('as', 'a name that nothing is exposed by yet', as);
  return name;
}
