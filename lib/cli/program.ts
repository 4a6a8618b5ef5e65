import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { reasonOf } from '../errors.js';
import { TECHNIQUE_NAMES } from '../techniques/technique.js';
import type { ConnectOptions } from './connect.js';
import type { DoctorOptions } from './doctor.js';
import { statusOf, WRONG_USAGE } from './exit-status.js';
import type { ListenOptions } from './listen.js';
import type { Report } from './report.js';
import type { ServeFlags } from './serve.js';
import { flagOf, helpOf, NODE_VARIABLES, SERVE_OPTIONS, type ServeOption } from './serve-options.js';
import type { ReachableOptions } from './terminal.js';

const integer = (minimum: number, maximum: number) => (text: string) => {
  const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= minimum && value <= maximum) return value;
  throw new InvalidArgumentError(`Expected an integer from ${minimum} to ${maximum}.`);
};

/** As in the environment, where a name has one value. */
const severalByCommas = (value: string, before: string[] | undefined) => [
  ...(before ?? []),
  ...value.split(',').filter((each) => each !== ''),
];

const several = (value: string, before: string[] | undefined) => [...(before ?? []), value];

const rendezvous = () =>
  new Option(
    '-r, --rendezvous <SERVER>',
    'a rendezvous server: wss://HOST, rxp2p://KEY@HOST:PORT, or HOST:PORT in the clear; may be given several times',
  ).argParser(several);
const ca = () =>
  new Option(
    '--ca <FILE>',
    'certificates (PEM) of authorities that may prove servers, besides those that everybody trusts',
  );
const mailbox = () =>
  new Option(
    '-m, --mailbox <URL>',
    'a server that keeps messages, such as http://HOST:8080; may be given several times',
  ).argParser(several);
const dht = () =>
  new Option(
    '--dht <HOST:PORT>',
    'a node of a distributed hash table by which to join it; may be given several times',
  ).argParser(several);
const stun = () =>
  new Option(
    '--stun <SERVER>',
    'a STUN server that shows the NAT: HOST:PORT, or stuns:HOST:PORT by TLS; may be given several times',
  )
    .env(NODE_VARIABLES.stun)
    .argParser(severalByCommas);
const mqtt = () =>
  new Option(
    '--mqtt <URL>',
    'an MQTT broker that carries messages: mqtts://HOST, wss://HOST/PATH, mqtt://HOST or ws://HOST/PATH; may be given several times',
  )
    .env(NODE_VARIABLES.mqtt)
    .argParser(severalByCommas);
const turn = () =>
  new Option(
    '--turn <SERVER>',
    'a TURN server for peers that no direct way leads to: turn:USER:PASSWORD@HOST:PORT, or turns: by TLS; may be given several times',
  )
    .env(NODE_VARIABLES.turn)
    .argParser((value, before: string[] | undefined) => [...(before ?? []), ...value.split(/\s+/).filter(Boolean)]);
const relay = () =>
  new Option(
    '--relay <URL>',
    'a relay for peers that no direct way leads to, such as http://HOST:8080; may be given several times (default: those of the servers)',
  ).argParser(several);
const noRelay = () => new Option('--no-relay', 'meet nobody at a relay');
const bind = () => new Option('-b, --bind <ADDR>', 'the local address to listen on and to dial from (default: all)');
const port = () =>
  new Option('-p, --port <N>', 'the local port to listen on (default: the system chooses)').argParser(
    integer(0, 65535),
  );
const key = () =>
  new Option(
    '-k, --key <FILE>',
    "the node's key; made and saved there when there is none (default: a new one each time)",
  );
const forwarded = () =>
  new Option('--forwarded', 'the port is forwarded to this node by hand: neither ask the router nor look from outside');
const portMapping = () => new Option('--no-port-mapping', 'do not ask the router to open a port');
const reachability = () =>
  new Option(
    '--reachability <URL>',
    'a server that dials back; may be given several times (default: those that the rendezvous servers name)',
  ).argParser(several);
const report = () =>
  new Option('--report <FILE>', 'write what happened as a page (HTML) that can be attached to a report of a fault');
const json = () => new Option('--json', 'write what happens to stderr, one JSON object a line');

/** An option of `serve`: it is read with those that come from elsewhere, so that a switch is nothing where it is not given. */
function optionOf(option: ServeOption): Option {
  const made = new Option(flagOf(option), helpOf(option));
  if (option.kind === 'texts' || option.kind === 'limits') return made.argParser(several);
  return made;
}

/**
 * Reads the command line and runs the command that it names, to its end; then the exit status is set. Each command loads what it
 * needs and no more: a program that starts often must start fast.
 */
export async function run(version: string, tell: Report): Promise<void> {
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

Exit status: 0 after a clean close, 1 when no connection could be made, 2 for wrong usage.`,
    )
    .exitOverride();

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

  program
    .command('listen')
    .description('wait for peers: the first line of stdout is the UNL they need, then come the lines they send')
    .addOption(rendezvous())
    .addOption(mailbox())
    .addOption(dht())
    .addOption(stun())
    .addOption(mqtt())
    .addOption(turn())
    .addOption(relay())
    .addOption(noRelay())
    .addOption(port())
    .addOption(bind())
    .addOption(key())
    .addOption(ca())
    .addOption(forwarded())
    .addOption(portMapping())
    .addOption(reachability())
    .option('--echo', 'send each line back to the peer it came from')
    .addOption(json())
    .addHelpText('after', '\nLines on stdin go to all connected peers. Ends on Ctrl-C.')
    .action(async (options: ListenOptions) => (await import('./listen.js')).listen(options));

  program
    .command('connect')
    .description('connect to a node by its UNL, like nc: stdin goes to the peer, its lines to stdout')
    .argument('<UNL>', 'the locator that the peer printed; without servers of your own it names them, too')
    .addOption(rendezvous())
    .addOption(mailbox())
    .addOption(dht())
    .addOption(stun())
    .addOption(mqtt())
    .addOption(turn())
    .addOption(relay())
    .addOption(noRelay())
    .addOption(bind())
    .addOption(key())
    .addOption(ca())
    .addOption(
      new Option(
        '-t, --technique <NAME>',
        `only this technique; may be given several times: ${TECHNIQUE_NAMES.join(', ')}`,
      ).argParser(several),
    )
    .addOption(
      new Option('--timeout <SECONDS>', 'how long each technique may take').default(60).argParser(integer(1, 86_400)),
    )
    .addOption(report())
    .addOption(json())
    .addHelpText('after', '\nEnds when either side closes. At the end of stdin all of it is delivered first.')
    .action(async (unl: string, options: ConnectOptions) =>
      (await import('./connect.js')).connect(unl, options, version),
    );

  program
    .command('doctor')
    .description("look at this machine's network, and say who can reach it, how, and what would make it better")
    .addOption(rendezvous())
    .addOption(mailbox())
    .addOption(dht())
    .addOption(stun())
    .addOption(mqtt())
    .addOption(turn())
    .addOption(relay())
    .addOption(noRelay())
    .addOption(port())
    .addOption(bind())
    .addOption(ca())
    .addOption(forwarded())
    .addOption(portMapping())
    .addOption(reachability())
    .addOption(report())
    .addOption(json())
    .addHelpText(
      'after',
      `
It takes the options that your program has, and looks for up to 20 seconds. A router may open a port meanwhile; it is closed again.
Exit status: 0 when peers behind ordinary home routers reach this node directly, 3 when by a relay only, 1 when not at all.`,
    )
    .action(async (options: DoctorOptions) => (await import('./doctor.js')).doctor(options, version));

  program
    .command('join')
    .description('join a flooding network: stdin lines go to every node, lines from the network to stdout')
    .addOption(rendezvous())
    .addOption(mailbox())
    .addOption(dht())
    .addOption(stun())
    .addOption(mqtt())
    .addOption(turn())
    .addOption(relay())
    .addOption(noRelay())
    .addOption(port())
    .addOption(bind())
    .addOption(key())
    .addOption(ca())
    .addOption(forwarded())
    .addOption(portMapping())
    .addOption(reachability())
    .addOption(json())
    .addHelpText(
      'after',
      '\nA line that went through the network within the last minute is not sent again. Ends on Ctrl-C.',
    )
    .action(async (options: ReachableOptions) => (await import('./join.js')).join(options));

  for (const command of program.commands) command.exitOverride().showHelpAfterError('(--help tells more)');

  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has said what it had to say; only help and version are no mistakes.
      process.exitCode = error.exitCode === 0 ? 0 : WRONG_USAGE;
    } else {
      tell('failed', { reason: reasonOf(error) }, `rxp2p: ${reasonOf(error)}`);
      process.exitCode = statusOf(error);
    }
  }
}
