import { Argument, Command, CommanderError, Option } from 'commander';
import { reasonOf } from '../errors.js';
import type { ConnectOptions } from './connect.js';
import type { DoctorOptions } from './doctor.js';
import { statusOf, WRONG_USAGE } from './exit-status.js';
import type { ExposeOptions } from './expose.js';
import type { ForwardOptions } from './forward.js';
import type { ListenOptions } from './listen.js';
import {
  diallingOptions,
  integer,
  json,
  keylessOptions,
  page,
  reachableOptions,
  seconds,
  several,
  withOptions,
} from './node-options.js';
import type { PingOptions } from './ping.js';
import type { Report } from './report.js';
import type { ServeFlags } from './serve.js';
import { flagOf, helpOf, SERVE_OPTIONS, type ServeOption } from './serve-options.js';
import { SHELLS, type Shell } from './shells.js';
import type { ReachableOptions } from './terminal.js';

/** An option of `serve`: it is read with those that come from elsewhere, so that a switch is nothing where it is not given. */
function optionOf(option: ServeOption): Option {
  const made = new Option(flagOf(option), helpOf(option));
  if (option.kind === 'texts' || option.kind === 'limits') return made.argParser(several);
  return made;
}

/** The command line: its commands, with their options and what they do. Each command loads what it needs, when it is run. */
export function commandLine(version: string): Command {
  const program = new Command('rxp2p')
    .description('Connect two programs wherever they are, and pass lines between them, encrypted and proven.')
    .version(version)
    .showHelpAfterError('(rxp2p --help tells more)')
    .addHelpText(
      'after',
      `
Try it on one machine, in three terminals:
  rxp2p serve
  rxp2p listen  --rendezvous 127.0.0.1:8000 --echo       prints a UNL
  rxp2p connect UNL --rendezvous 127.0.0.1:8000          type a line, it comes back

Exit status: 0 after a clean close, 1 when no connection could be made, 2 for wrong usage.
A shell completes commands and options by the script of: rxp2p completion bash`,
    )
    .exitOverride();

  addServe(program);

  withOptions(
    program
      .command('listen')
      .description('wait for peers: the first line of stdout is the UNL they need, then come the lines they send'),
    ...reachableOptions(),
    new Option('--echo', 'send each line back to the peer it came from'),
    new Option(
      '--raw',
      'pass bytes instead of lines, to one peer at a time; stdout has nothing but them, the UNL is on stderr',
    ).conflicts('echo'),
    new Option('--once', 'with --raw: end when the first peer has left, with status 0 when every byte has come'),
    json(),
  )
    .addHelpText(
      'after',
      `
Lines on stdin go to all connected peers. Ends on Ctrl-C.
A folder goes to another machine by:
  rxp2p listen --raw --once </dev/null | tar x            there; it prints a UNL
  tar c FOLDER | rxp2p connect --raw UNL                  here
With --raw, the end of stdin ends this direction, and the other goes on. Where stdin is a terminal, both end.`,
    )
    .action(async (options: ListenOptions) => (await import('./listen.js')).listen(options));

  withOptions(
    program
      .command('connect')
      .description('connect to a node by its UNL, like nc: stdin goes to the peer, its lines to stdout')
      .argument('<UNL>', 'the locator that the peer printed; without servers of your own it names them, too'),
    ...diallingOptions(),
    new Option('--raw', 'pass bytes instead of lines; the peer has to listen with --raw, too'),
    page(),
    json(),
  )
    .addHelpText(
      'after',
      `
Ends when either side closes. At the end of stdin all of it is delivered first.
With --raw it ends when both directions have ended, with status 0 when every byte has gone and come.`,
    )
    .action(async (unl: string, options: ConnectOptions) =>
      (await import('./connect.js')).connect(unl, options, version),
    );

  withOptions(
    program
      .command('doctor')
      .description("look at this machine's network, and say who can reach it, how, and what would make it better"),
    ...keylessOptions(),
    page(),
    json(),
  )
    .addHelpText(
      'after',
      `
It takes the options that your program has, and looks for up to 20 seconds. A router may open a port meanwhile; it is closed again.
Exit status: 0 when peers behind ordinary home routers reach this node directly, 3 when by a relay only, 1 when not at all.`,
    )
    .action(async (options: DoctorOptions) => (await import('./doctor.js')).doctor(options, version));

  addForwarding(program);

  addPing(program);

  withOptions(
    program
      .command('join')
      .description('join a flooding network: stdin lines go to every node, lines from the network to stdout'),
    ...reachableOptions(),
    json(),
  )
    .addHelpText(
      'after',
      '\nA line that went through the network within the last minute is not sent again. Ends on Ctrl-C.',
    )
    .action(async (options: ReachableOptions) => (await import('./join.js')).join(options));

  program
    .command('completion')
    .description('print a script by which a shell completes the commands and options of rxp2p')
    .addArgument(new Argument('<SHELL>', 'the shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
  bash: source <(rxp2p completion bash)           in ~/.bashrc
  zsh:  source <(rxp2p completion zsh)            in ~/.zshrc, after compinit
  fish: rxp2p completion fish | source            in ~/.config/fish/config.fish`,
    )
    .action(async (shell: Shell) => (await import('./completion.js')).completion(shell, program));

  for (const command of program.commands) command.exitOverride().showHelpAfterError('(--help tells more)');
  return program;
}

/** The two ends of a forwarded port. */
function addForwarding(program: Command): void {
  withOptions(
    program
      .command('expose')
      .description(
        'let peers reach TCP services, such as a web server of this machine; the first line of stdout is the UNL',
      )
      .argument('<SERVICE...>', '[NAME=]HOST:PORT, or [NAME=]PORT on this machine; peers reach nothing else'),
    ...reachableOptions(),
    new Option(
      '--allow <PEERID>',
      'only this peer may connect; may be given several times (default: whoever has the UNL)',
    ).argParser(several),
    json(),
  )
    .addHelpText(
      'after',
      `
A web server and SSH, for one peer alone, and by the same UNL after a restart:
  rxp2p expose 8080 ssh=localhost:22 --key expose.key --port 4100 --allow PEERID
The peer, who keeps its key in a file, too, so that its PEERID stays the same:
  rxp2p forward UNL --key me.key                          the first service
  rxp2p forward UNL --key me.key --target ssh --port 2222
A service that refuses connections is told to the client by a reset. Ends on Ctrl-C.`,
    )
    .action(async (services: string[], options: ExposeOptions) =>
      (await import('./expose.js')).expose(services, options),
    );

  withOptions(
    program
      .command('forward')
      .description('a local port that leads to a TCP service of a peer, who exposes it; the port is on stdout')
      .argument('<UNL>', 'the locator that rxp2p expose printed'),
    new Option('--target <SERVICE>', 'the name or the number of a service that the peer exposes').default('1'),
    new Option('-p, --port <N>', 'the local port').default(0, 'the system chooses').argParser(integer(0, 65_535)),
    new Option('--host <ADDR>', 'the local address; with 127.0.0.1 only programs of this machine can use it').default(
      '127.0.0.1',
    ),
    ...diallingOptions(),
    json(),
  )
    .addHelpText(
      'after',
      `
Connections are kept whole while the way to the peer changes, also when it is gone for up to 30 s. When the peer was away for
longer, its clients are reset, and it is looked for again. Ends on Ctrl-C.`,
    )
    .action(async (unl: string, options: ForwardOptions) => (await import('./forward.js')).forward(unl, options));
}

function addPing(program: Command): void {
  withOptions(
    program
      .command('ping')
      .description('the round trip to a node, whatever program it is of, and by which way; tells when the way changes')
      .argument('<UNL>', 'the locator that the peer printed'),
    new Option('-n, --count <N>', 'how often (default: until interrupted)').argParser(integer(1, 1_000_000)),
    new Option('-i, --interval <SECONDS>', 'the time from one to the next').default(1).argParser(seconds(0.1, 86_400)),
    new Option('--until-direct', 'end with the first answer by a direct way'),
    ...diallingOptions(),
    json(),
  )
    .addHelpText(
      'after',
      `
It answers by refusing a channel that nobody takes, so the peer needs no option for it.
Exit status: 0 when there were answers, 1 when there were none or the connection has ended.`,
    )
    .action(async (unl: string, options: PingOptions) => (await import('./ping.js')).ping(unl, options));
}

function addServe(program: Command): void {
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
      await (await import('./serve.js')).serve(Object.fromEntries(given));
    });
  for (const option of SERVE_OPTIONS) serve.addOption(optionOf(option));
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
