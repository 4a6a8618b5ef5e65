import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { InvalidOptionError } from '../errors.js';
import { invalidOption } from '../validate.js';
import { readConfigFile, unknownVariables } from './config-file.js';
import { LISTS, NUMBERS } from './node-options.js';
import { reporter } from './report.js';
import { CONFIG_VARIABLE, ENVIRONMENT_PREFIX, environmentNameOf, SERVE_OPTIONS } from './serve-options.js';
import { checkValue } from './serve-values.js';

// Where the options of commands that make a node come from, in rising order: the file of --config, the environment, flags. Names and kinds
// all follow from the options as commander has them, so that each is told once.

/** Commands that make no node: `serve` has its own file, and the other no options. */
const WITHOUT_NODE = ['serve', 'completion', 'help'];

/** What the value of an option is, and what it is called elsewhere. */
export interface NodeOption {
  /** Its key in the file: `portMapping`. */
  readonly key: string;
  /** Its name in the environment: `RXP2P_PORT_MAPPING`. */
  readonly variable: string;
  readonly kind: 'switch' | 'number' | 'text' | 'texts';
  /** Its flags, as --help has them. */
  readonly flags: readonly string[];
  /** Whether it has a value that can be switched off as well: `--relay URL`, `--no-relay`. */
  readonly mayBeOff: boolean;
  readonly option: Option;
}

/** The options of a command that come from elsewhere, too: all but `--config` itself. */
export function nodeOptionsOf(command: Command): readonly NodeOption[] {
  const keys = new Set(command.options.map((option) => option.attributeName()));
  keys.delete('config');
  return [...keys].flatMap((key) => {
    const all = command.options.filter((option) => option.attributeName() === key);
    const option = all.find(({ negate }) => !negate) ?? all[0];
    if (option === undefined) return [];
    const kind = kindOf(option);
    const mayBeOff = kind !== 'switch' && all.some(({ negate }) => negate);
    const variable = `${ENVIRONMENT_PREFIX}${key.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
    return [{ key, variable, kind, flags: all.map(({ flags }) => flags), mayBeOff, option }];
  });
}

/** The options of all commands that make a node, each once. */
export function allNodeOptions(program: Command): readonly NodeOption[] {
  const all = nodeCommands(program).flatMap((command) => nodeOptionsOf(command));
  return [...new Map(all.map((option) => [option.key, option])).values()];
}

/** Has the commands that make a node take their options from a file and the environment, too. */
export function takeFromElsewhere(program: Command, environment: NodeJS.ProcessEnv): void {
  for (const command of nodeCommands(program)) {
    command
      .addOption(
        new Option(
          '--config <FILE>',
          `a JSON file with options (default: rxp2p/config.json in $XDG_CONFIG_HOME or ~/.config, where there is one)`,
        ),
      )
      .addHelpText(
        'after',
        `
Each option is also a key in the file of --config (portMapping), and a name in the environment (RXP2P_PORT_MAPPING): false switches off, and
commas stand between several (spaces in RXP2P_TURN). Flags override the environment, and that the file.`,
      )
      .hook('preAction', (_, acting) => {
        apply(acting, allNodeOptions(program), environment);
      });
  }
}

function nodeCommands(program: Command): readonly Command[] {
  return program.commands.filter((command) => !WITHOUT_NODE.includes(command.name()));
}

/** The file that is read where none is named. */
export function defaultConfigFile(environment: NodeJS.ProcessEnv): string {
  const folder = environment['XDG_CONFIG_HOME'] ?? '';
  return join(folder === '' ? join(homedir(), '.config') : folder, 'rxp2p', 'config.json');
}

/** The file to be read, if any: a variable that is empty is taken for one that is not set. */
function fileOf(named: unknown, environment: NodeJS.ProcessEnv): string | undefined {
  const variable = environment[CONFIG_VARIABLE] ?? '';
  const byDefault = defaultConfigFile(environment);
  if (typeof named === 'string') return named;
  if (variable !== '') return variable;
  return existsSync(byDefault) ? byDefault : undefined;
}

/** Gives a command the values of the file and the environment that no flag overrides. */
function apply(command: Command, all: readonly NodeOption[], environment: NodeJS.ProcessEnv): void {
  const file = fileOf(command.getOptionValue('config'), environment);
  const inFile =
    file === undefined
      ? {}
      : readConfigFile(
          file,
          all.map(({ key }) => key),
        );
  // What is wrong is told, though this command has no use for it: the next one may.
  for (const option of all) if (option.key in inFile) fromJson(option, inFile[option.key]);
  for (const option of nodeOptionsOf(command)) {
    if (command.getOptionValueSource(option.key) === 'cli') continue;
    const text = environment[option.variable] ?? '';
    if (text !== '') command.setOptionValueWithSource(option.key, fromText(option, text), 'env');
    else if (option.key in inFile)
      command.setOptionValueWithSource(option.key, fromJson(option, inFile[option.key]), 'config');
  }
  const known = [CONFIG_VARIABLE, ...all.map(({ variable }) => variable), ...SERVE_OPTIONS.map(environmentNameOf)];
  const report = reporter(command.getOptionValue('json') === true);
  for (const variable of unknownVariables(environment, ENVIRONMENT_PREFIX, known))
    report('unknown', { variable }, `the environment has ${variable}, which is no option`);
}

function kindOf({ required, parseArg }: Option): NodeOption['kind'] {
  if (!required) return 'switch';
  if (parseArg === undefined) return 'text';
  if (LISTS.has(parseArg)) return 'texts';
  return NUMBERS.has(parseArg) ? 'number' : 'text';
}

/** Reads a value of the file. */
function fromJson(option: NodeOption, value: unknown): unknown {
  const { key: name, kind, mayBeOff } = option;
  if (mayBeOff && typeof value === 'boolean') return value ? undefined : false;
  if (kind === 'number') {
    if (typeof value !== 'number') throw invalidOption(name, 'a number', value);
    return parsed(option, String(value), name);
  }
  // A text may have a password in it.
  const checked = checkValue({ name, kind, help: '', isSecret: true }, value, name, {});
  if (typeof checked === 'string') return parsed(option, checked, name);
  return Array.isArray(checked) ? listed(option, checked.map(String), name) : checked;
}

const SWITCHES: Readonly<Record<string, boolean>> = { true: true, on: true, false: false, off: false };

/** Reads a value of the environment. */
function fromText(option: NodeOption, text: string): unknown {
  const { variable, kind, mayBeOff } = option;
  const isOn = SWITCHES[text];
  if (kind === 'switch') {
    if (isOn === undefined) throw invalidOption(variable, 'true or false', text);
    return isOn;
  }
  if (mayBeOff && isOn !== undefined) return isOn ? undefined : false;
  if (kind !== 'texts') return parsed(option, text, variable);
  const separator = LISTS.get(option.option.parseArg) ?? ',';
  return listed(
    option,
    text.split(separator).map((each) => each.trim()),
    variable,
  );
}

function listed({ option }: NodeOption, texts: readonly string[], name: string): readonly string[] {
  for (const text of texts)
    if (option.argChoices?.includes(text) === false)
      throw invalidOption(name, `made of ${option.argChoices.join(', ')}`, text);
  return texts.filter((text) => text !== '');
}

/** Reads a value as that of the flag is read. */
function parsed({ option }: NodeOption, text: string, name: string): unknown {
  try {
    return option.parseArg === undefined ? text : option.parseArg<unknown>(text, undefined);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new InvalidOptionError(`The value of \`${name}\` is not what it should be: ${error.message}`, {
      cause: error,
    });
  }
}
