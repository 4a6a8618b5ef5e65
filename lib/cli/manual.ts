import type { Command } from 'commander';
import { exitStatusesOf } from './exit-status.js';

// Man pages, made of what --help shows. Their language is that of man(7), as groff and mandoc read it.

/** A man page. */
export interface ManPage {
  /** Its file, such as `rxp2p-listen.1`. */
  readonly file: string;
  readonly text: string;
}

/** A man page of the program, and one of each command. Pure. */
export function manPages(program: Command, version: string): readonly ManPage[] {
  const commands = commandsOf(program);
  return [
    { file: `${program.name()}.1`, text: pageOfProgram(program, commands, version) },
    ...commands.map((command) => ({
      file: `${pageNameOf(program, command)}.1`,
      text: pageOfCommand(program, command, version),
    })),
  ];
}

function pageOfProgram(program: Command, commands: readonly Command[], version: string): string {
  return page(program.name(), version, [
    ...section('NAME', [`${program.name()} \\- ${nameLine(program)}`]),
    ...section('SYNOPSIS', ['.B ' + inRoff(program.name()), inRoff('COMMAND [options]')]),
    ...section('DESCRIPTION', [inRoff(program.description())]),
    ...groupsOf(commands, (command) => command.helpGroup()).flatMap(([heading, group]) => [
      ...section(
        heading,
        group.flatMap((command) => item([inRoff(command.name())], command.description())),
      ),
    ]),
    ...afterHelp(program),
    ...section('SEE ALSO', [commands.map((command) => reference(pageNameOf(program, command))).join(',\n')]),
  ]);
}

function pageOfCommand(program: Command, command: Command, version: string): string {
  const help = command.createHelp();
  const [, ...usage] = help.commandUsage(command).replace(`${program.name()} `, '').split(' ');
  const options = help.visibleOptions(command);
  return page(pageNameOf(program, command), version, [
    ...section('NAME', [`${pageNameOf(program, command)} \\- ${nameLine(command)}`]),
    ...section('SYNOPSIS', [`.B ${program.name()} ${command.name()}`, inRoff(usage.join(' '))]),
    ...section('DESCRIPTION', [
      inRoff(sentence(command.description())),
      ...help
        .visibleArguments(command)
        .flatMap((argument) => item([inRoff(help.argumentTerm(argument))], help.argumentDescription(argument))),
    ]),
    ...groupsOf(options, ({ helpGroupHeading }) => helpGroupHeading ?? 'Options:').flatMap(([heading, group]) => [
      ...section(
        heading,
        group.flatMap((option) => item([inRoff(help.optionTerm(option))], help.optionDescription(option))),
      ),
    ]),
    ...afterHelp(command),
    ...section(
      'EXIT STATUS',
      exitStatusesOf(command.name()).flatMap(([status, words]) => item([String(status)], sentence(words))),
    ),
    ...section('SEE ALSO', [reference(program.name())]),
  ]);
}

/** The commands that have a page: all but `help`. */
function commandsOf(program: Command): readonly Command[] {
  return program.commands.filter((command) => command.name() !== 'help');
}

function pageNameOf(program: Command, command: Command): string {
  return `${program.name()}-${command.name()}`;
}

function page(name: string, version: string, lines: readonly string[]): string {
  return [
    '.\\" Made of what --help shows: see lib/cli/manual.ts.',
    `.TH ${name.toUpperCase()} 1 "" "rxp2p ${version}" "rxp2p"`,
    '.nh',
    '.ad l',
    ...lines,
    '',
  ].join('\n');
}

function section(heading: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`.SH "${inRoff(heading.replace(/:$/, '').toUpperCase())}"`, ...lines];
}

/** Terms in bold, and what they mean. */
function item(terms: readonly string[], words: string): readonly string[] {
  return ['.TP', `\\fB${terms.join(', ')}\\fR`, inRoff(words)];
}

function reference(name: string): string {
  return `\\fB${inRoff(name)}\\fR(1)`;
}

/** What stands behind the options in --help, but for the exit statuses, which have a section of their own. */
function afterHelp(command: Command): readonly string[] {
  let help = '';
  command.configureOutput({
    writeOut: (text) => {
      help += text;
    },
  });
  command.outputHelp();
  const [notes = ''] = help.slice(command.helpInformation().length).split(/^Exit status:/m);
  return section('NOTES', paragraphs(notes.split('\n').filter((line) => line !== '')));
}

/** Lines that are set in are shown as they are, others flow. */
function paragraphs(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line, i) => {
    const [before = ''] = lines.slice(i - 1, i);
    const [isShown, wasShown] = [line.startsWith(' '), i > 0 && before.startsWith(' ')];
    return [
      ...(isShown && !wasShown ? ['.PP', '.RS 4', '.nf'] : []),
      ...(!isShown && wasShown ? ['.fi', '.RE', '.PP'] : []),
      inRoff(line.trimStart()),
      ...(isShown && i === lines.length - 1 ? ['.fi', '.RE'] : []),
    ];
  });
}

/** What has one heading stands together, in the order of the headings. */
function groupsOf<T>(all: readonly T[], headingOf: (each: T) => string): readonly (readonly [string, readonly T[]])[] {
  const headings = [...new Set(all.map(headingOf))];
  return headings.map((heading) => [heading, all.filter((each) => headingOf(each) === heading)]);
}

/** whatis(1) shows one line: what is said before the first `;`, `:` or `.`. */
function nameLine(command: Command): string {
  return inRoff((/^[^;:.]*/.exec(command.description())?.[0] ?? '').trim());
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? '' : '.'}`;
}

/** Text as text: a backslash, a hyphen that is typed, and a line that begins like a request mean what they are. */
function inRoff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('’', '\\(cq')
    .replaceAll('…', '\\&...')
    .replaceAll(/^\./gm, '\\&.');
}
