import { Command, CommanderError } from 'commander';
import { reasonOf } from '../errors.js';
import { addFiles } from './commands/files.js';
import { addLines } from './commands/lines.js';
import { addLooks } from './commands/looks.js';
import { addPorts } from './commands/ports.js';
import { addServe } from './commands/serve.js';
import { addCompletion } from './commands/shell.js';
import { EXIT_STATUSES, exitStatusesOf, statusOf, WRONG_USAGE } from './exit-status.js';
import { takeFromElsewhere } from './node-sources.js';
import type { Report } from './report.js';

/** The command line: its commands, with their options and what they do. Each command loads what it needs, when it is run. */
export function commandLine(version: string, environment: NodeJS.ProcessEnv = process.env): Command {
  const program = new Command('rxp2p')
    .description(
      'Connect machines wherever they are: lines, files and TCP services go from one to the other, encrypted and proven.',
    )
    .version(version)
    .showHelpAfterError('(rxp2p --help tells more)')
    .addHelpText(
      'after',
      `
Try it on one machine, in three terminals:
  rxp2p serve
  rxp2p listen  --rendezvous 127.0.0.1:8000 --echo       prints a UNL
  rxp2p connect UNL --rendezvous 127.0.0.1:8000          type a line, it comes back
A folder goes to whoever types the code that this prints, on one local network with no server:
  rxp2p send FOLDER

Each command has a help of its own, with examples and its exit statuses: rxp2p connect --help`,
    )
    .exitOverride();

  addLines(program, version);
  addFiles(program, version);
  addPorts(program);
  addLooks(program, version);
  addServe(program);
  addCompletion(program);
  takeFromElsewhere(program, environment);

  for (const command of program.commands) {
    command.exitOverride().showHelpAfterError('(--help tells more)');
    if (command.name() in EXIT_STATUSES) command.addHelpText('after', () => exitStatusHelp(command.name()));
  }
  return program;
}

function exitStatusHelp(command: string): string {
  const lines = exitStatusesOf(command).map(([status, words]) => `  ${status}  ${words}`);
  return ['\nExit status:', ...lines].join('\n');
}

/**
 * Reads the command line and runs the command that it names, to its end; then the exit status is set. Each command loads what it
 * needs and no more: a program that starts often must start fast.
 */
export async function run(version: string, report: Report): Promise<void> {
  try {
    await commandLine(version).parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has said what it had to say; only help and version are no mistakes.
      process.exitCode = error.exitCode === 0 ? 0 : WRONG_USAGE;
    } else {
      report('failed', { reason: reasonOf(error) }, `rxp2p: ${reasonOf(error)}`);
      process.exitCode = statusOf(error);
    }
  }
}
