import type { Command, Option } from 'commander';
import { CODE_WORDS } from '../pairing/word-list.js';
import type { Shell } from './shells.js';
import { print } from './stdout.js';

/** What a shell has to know of an option. */
interface Flag {
  /** Such as `--key` and `-k`. */
  readonly names: readonly string[];
  readonly help: string;
  /** What stands for its value; none where it has no value. */
  readonly value: string | undefined;
  readonly choices: readonly string[];
}

/** What a shell has to know of a command. */
interface Words {
  readonly name: string;
  readonly help: string;
  readonly flags: readonly Flag[];
  /** What its argument may be, where that is one of a few. */
  readonly choices: readonly string[];
  /** Whether its argument may be a code, such as 7-otter-violet. */
  readonly takesCode: boolean;
}

/** `rxp2p completion`: prints a script for a shell. */
export async function completion(shell: Shell, program: Command): Promise<void> {
  for (const line of completionScript(shell, program)) await print(line);
}

/** The lines of a script by which a shell completes a command line: what its commands and options are is all read from `program`. */
export function completionScript(shell: Shell, program: Command): readonly string[] {
  const help = program.createHelp();
  const wordsOf = (command: Command): Words => ({
    name: command.name(),
    help: firstClause(command.description()),
    flags: help.visibleOptions(command).map(flagOf),
    choices: command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
    takesCode: command.registeredArguments.some((argument) => argument.name().split('|').includes('CODE')),
  });
  const commands = help.visibleCommands(program).map(wordsOf);
  return SCRIPTS[shell](program.name(), wordsOf(program), commands);
}

const SCRIPTS: Readonly<
  Record<Shell, (name: string, program: Words, commands: readonly Words[]) => readonly string[]>
> = {
  bash: (name, program, commands) => [
    `# bash completion of ${name}: source <(${name} completion bash)`,
    `_${name}() {`,
    '  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}',
    '  [ "$COMP_CWORD" -eq 1 ] && command=',
    `  local words=${quoted(CODE_WORDS.join(' '))}`,
    '  case $command in',
    `    '') COMPREPLY=($(compgen -W ${quoted(wordList(program, commands))} -- "$cur")) ;;`,
    ...commands.flatMap((command) => [
      `    ${command.name})`,
      ...(command.takesCode ? BASH_CODES : []),
      '      case $prev in',
      ...command.flags.filter(({ value }) => value !== undefined).map(bashValue),
      `        *) COMPREPLY=($(compgen -W ${quoted(wordList(command))} -- "$cur")) ;;`,
      '      esac ;;',
    ]),
    '  esac',
    '}',
    `complete -F _${name} ${name}`,
  ],
  zsh: (name, program, commands) => [
    `#compdef ${name}`,
    `_${name}_codes() {`,
    `  [[ $PREFIX = <->-* ]] && compset -P '*-' && compadd -S '' -- ${CODE_WORDS.join(' ')}`,
    '}',
    `# zsh completion of ${name}: source <(${name} completion zsh)`,
    `_${name}() {`,
    '  local state line',
    '  local -a commands',
    '  commands=(',
    ...commands.map(({ name: command, help }) => `    ${quoted(`${command}:${help}`)}`),
    '  )',
    `  _arguments -C ${program.flags.flatMap(zshFlags).join(' ')} '1: :->command' '*:: :->rest'`,
    '  case $state in',
    "    command) _describe 'command' commands ;;",
    '    rest)',
    '      case $words[1] in',
    ...commands.map(
      (command) =>
        `        ${command.name}) _arguments ${[...command.flags.flatMap(zshFlags), zshRest(command, name)].join(' ')} ;;`,
    ),
    '      esac ;;',
    '  esac',
    '}',
    `if [ "$funcstack[1]" = _${name} ]; then _${name} "$@"; else compdef _${name} ${name}; fi`,
  ],
  fish: (name, program, commands) => [
    `# fish completion of ${name}: ${name} completion fish | source`,
    `complete -c ${name} -f`,
    `function __${name}_codes`,
    "  string match -qr '^[0-9]{1,6}-' -- (commandline -ct); or return",
    `  printf '%s\\n' (string replace -r '[^-]*$' '' -- (commandline -ct)){${CODE_WORDS.join(',')}}`,
    'end',
    ...program.flags.map((flag) => `complete -c ${name} -n __fish_use_subcommand ${fishFlag(flag)}`),
    ...commands.flatMap((command) => {
      const seen = `complete -c ${name} -n ${quoted(`__fish_seen_subcommand_from ${command.name}`)}`;
      return [
        `complete -c ${name} -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.help)}`,
        ...command.flags.map((flag) => `${seen} ${fishFlag(flag)}`),
        ...(command.takesCode ? [`${seen} -a ${quoted(`(__${name}_codes)`)}`] : []),
        ...(command.choices.length > 0 ? [`${seen} -a ${quoted(command.choices.join(' '))}`] : []),
      ];
    }),
  ],
};

/** The words of a code, one after the other. */
const BASH_CODES = [
  '      if [[ $cur =~ ^[0-9]{1,6}- ]]; then',
  '        compopt -o nospace 2>/dev/null',
  '        COMPREPLY=($(compgen -P "${cur%-*}-" -W "$words" -- "${cur##*-}"))',
  '        return',
  '      fi',
];

function flagOf({ short, long, description, flags, required, optional, argChoices = [] }: Option): Flag {
  return {
    names: [long, short].filter((name) => name !== undefined),
    help: firstClause(description),
    value: required || optional ? flags.slice(flags.search(/[<[]/) + 1, -1) : undefined,
    choices: argChoices,
  };
}

/** What is said of something before the first `;`, `:` or `(`: shells show it on one line. */
function firstClause(text: string): string {
  return (/^[^;:(]*/.exec(text)?.[0] ?? '').trim();
}

/** Everything that may stand where a command or an option is expected. */
function wordList({ flags, choices }: Words, commands: readonly Words[] = []): string {
  return [...commands.map(({ name }) => name), ...choices, ...flags.flatMap(({ names }) => names.slice(0, 1))].join(
    ' ',
  );
}

/** In single quotes, which all three shells know. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const isFile = ({ value }: Flag) => ['FILE', 'FOLDER', 'DIR'].includes(value ?? '');

function bashValue(flag: Flag): string {
  const reply = isFile(flag)
    ? 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"))'
    : `COMPREPLY=($(compgen -W ${quoted(flag.choices.join(' '))} -- "$cur"))`;
  return `        ${flag.names.join('|')}) ${reply} ;;`;
}

function zshFlags(flag: Flag): string[] {
  const { names, value, choices } = flag;
  const help = flag.help.replaceAll(/[[\]]/g, '');
  const values = isFile(flag) ? '_files' : choices.length > 0 ? `(${choices.join(' ')})` : ' ';
  return names.map((name) =>
    quoted(`*${name}[${help}]${value === undefined ? '' : `:${value.replaceAll(':', '\\:')}:${values}`}`),
  );
}

function zshRest({ choices, takesCode }: Words, name: string): string {
  if (takesCode) return quoted(`*: :_${name}_codes`);
  return choices.length > 0 ? quoted(`1:what:(${choices.join(' ')})`) : quoted('*: : ');
}

function fishFlag(flag: Flag): string {
  const { names, help, value, choices } = flag;
  const parts = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  if (value !== undefined) parts.push(isFile(flag) ? '-r -F' : '-x');
  if (choices.length > 0) parts.push(`-a ${quoted(choices.join(' '))}`);
  return [...parts, `-d ${quoted(help)}`].join(' ');
}
