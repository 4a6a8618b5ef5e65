import { expectOneOf } from '../validate.js';
import { direct } from './direct.js';
import type { Stages } from './technique.js';

/** The techniques by their names. */
const TECHNIQUES = { direct } as const;

/** What `--technique` and `options.techniques` can name. */
export type TechniqueName = keyof typeof TECHNIQUES;

/** The names of all techniques, best first. */
export const TECHNIQUE_NAMES: readonly TechniqueName[] = ['direct'];

/** All techniques, best first; those of one stage are tried side by side. */
const ALL: Stages = [[direct]];

/**
 * The techniques to try: all of them, or the ones named, each with a head start over the next.
 *
 * @throws InvalidOptionError when a name is none.
 */
export function stagesOf(names: readonly string[] | undefined): Stages {
  if (names === undefined) return ALL;
  return names.map((name) => [TECHNIQUES[expectOneOf('techniques', name, TECHNIQUE_NAMES)]]);
}
