import { readFileSync } from 'node:fs';
import { InvalidOptionError, reasonOf } from '../errors.js';
import { invalidOption, parseJsonObject, show } from '../validate.js';

/**
 * What a file of `--config` says, each of its keys that of an option.
 *
 * @param keys all that there may be.
 * @throws InvalidOptionError for a file that cannot be read or is no JSON object, and for a key that is none.
 */
export function readConfigFile(file: string, keys: readonly string[]): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new InvalidOptionError(`The file of \`--config\` cannot be read: ${reasonOf(cause)}`, { cause });
  }
  const values = parseJsonObject(text);
  if (values === undefined) throw invalidOption('--config', `a file with one JSON object${faultIn(text)}`, file);
  const unknown = Object.keys(values).find((key) => !keys.includes(key));
  if (unknown !== undefined)
    throw new InvalidOptionError(`\`${file}\` has ${show(unknown)}, which is no option. There are ${keys.join(', ')}`);
  return values;
}

/** Variables of the environment that are named like those of options and are none: mistyped, probably. */
export function unknownVariables(
  environment: Readonly<Record<string, string | undefined>>,
  prefix: string,
  known: readonly string[],
): readonly string[] {
  return Object.keys(environment).filter((name) => name.startsWith(prefix) && !known.includes(name));
}

/** Where a text stops being JSON, in words; not what stands there, which may be a password. */
function faultIn(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    const [, position] = /position (\d+)/.exec(reasonOf(error)) ?? [];
    if (position !== undefined)
      return `, which it stops being in line ${text.slice(0, Number(position)).split('\n').length}`;
  }
  return '';
}
