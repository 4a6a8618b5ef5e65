import { Option, type Command } from 'commander';
import { allNodeOptions } from '../node-sources.js';
import { several } from '../node-options.js';
import type { ServeFlags } from '../serve.js';
import { flagOf, helpOf, SERVE_OPTIONS, type ServeOption } from '../serve-options.js';

/** The command that runs the servers. */
export function addServe(program: Command): void {
  program.commandsGroup('Run servers:');
  const serve = program
    .command('serve')
    .description(
      'run the servers that nodes meet at: rendezvous (TCP); a mailbox, a relay and one that dials nodes back (HTTP); a DHT (UDP)',
    )
    .addOption(new Option('-c, --config <FILE>', 'a JSON file with options; the environment and flags override it'))
    .addOption(new Option('--print-config', 'print the resulting options, as a file for --config, and end'))
    .addHelpText(
      'after',
      `
Each option is also a key in the file of --config (httpPort), and a name in the environment (RXP2P_HTTP_PORT).
Logged, beside where it listens: what the relay does, at most once a minute; that the mailbox or the store cannot write.
On SIGTERM or Ctrl-C it takes nobody in any more, and ends when all have gone; a second signal ends it at once.`,
    )
    .action(async (options: ServeFlags, command: Command) => {
      // A switch that can be switched off is `true` where nothing was said.
      const given = Object.entries(options).filter(([key]) => command.getOptionValueSource(key) === 'cli');
      await (
        await import('../serve.js')
      ).serve(
        Object.fromEntries(given),
        allNodeOptions(program).map(({ variable }) => variable),
      );
    });
  for (const option of SERVE_OPTIONS) serve.addOption(optionOf(option));
}

/** An option of `serve`: it is read with those that come from elsewhere, so that a switch is nothing where it is not given. */
function optionOf(option: ServeOption): Option {
  const made = new Option(flagOf(option), helpOf(option));
  if (option.kind === 'texts' || option.kind === 'limits') return made.argParser(several);
  return made;
}
