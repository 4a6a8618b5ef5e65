import { InvalidArgumentError, Option, type Command } from 'commander';
import { TECHNIQUE_NAMES } from '../techniques/technique.js';

// The options that commands which make a node share. It is loaded for --help, too: nothing here may need RxJS.

/** What reads numbers: in a file such an option is one. */
export const NUMBERS = new WeakSet<object>();

/** Reads a number; for any other text commander tells what was expected. */
function numbers(form: RegExp, minimum: number, maximum: number, what: string): (text: string) => number {
  const read = (text: string) => {
    const value = form.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`Expected ${what} from ${minimum} to ${maximum}.`);
  };
  NUMBERS.add(read);
  return read;
}

/** Reads an integer. */
export const integer = (minimum: number, maximum: number) => numbers(/^[0-9]{1,15}$/, minimum, maximum, 'an integer');

/** Reads seconds, with or without a fraction. */
export const seconds = (minimum: number, maximum: number) =>
  numbers(/^[0-9]{1,6}(?:\.[0-9]{1,3})?$/, minimum, maximum, 'seconds');

/** As in the environment, where a name has one value. */
const severalByCommas = (value: string, before: string[] | undefined) => [
  ...(before ?? []),
  ...value.split(',').filter((each) => each !== ''),
];

/** For an option that may be given several times. */
export const several = (value: string, before: string[] | undefined) => [...(before ?? []), value];

/** A password may have commas, and no spaces. */
const severalBySpaces = (value: string, before: string[] | undefined) => [
  ...(before ?? []),
  ...value.split(/\s/).filter(Boolean),
];

/** What reads options that may be given several times, and what stands between several in the environment. */
export const LISTS: ReadonlyMap<unknown, string | RegExp> = new Map<unknown, string | RegExp>([
  [several, ','],
  [severalByCommas, ','],
  [severalBySpaces, /\s/],
]);

/** Adds options to a command, in the order of its help. */
export function withOptions(command: Command, ...options: readonly Option[]): Command {
  for (const option of options) command.addOption(option);
  return command;
}

/** Puts options under a heading of the help. */
function under(heading: string, options: readonly Option[]): readonly Option[] {
  for (const option of options) option.helpGroup(heading);
  return options;
}

/** Where a node meets others, and by what it reaches those that no direct way leads to. */
const meetingOptions = () =>
  under('Where peers are met:', [
    new Option(
      '-r, --rendezvous <SERVER>',
      'a rendezvous server: wss://HOST, rxp2p://KEY@HOST:PORT, or HOST:PORT in the clear; may be given several times',
    ).argParser(severalByCommas),
    new Option(
      '-m, --mailbox <URL>',
      'a server that keeps messages, such as http://HOST:8080; may be given several times',
    ).argParser(several),
    new Option(
      '--dht <HOST:PORT>',
      'a node of a distributed hash table by which to join it; may be given several times',
    ).argParser(several),
    new Option(
      '--stun <SERVER>',
      'a STUN server that shows the NAT: HOST:PORT, or stuns:HOST:PORT by TLS; may be given several times',
    ).argParser(severalByCommas),
    new Option(
      '--mqtt <URL>',
      'an MQTT broker that carries messages: mqtts://HOST, wss://HOST/PATH, mqtt://HOST or ws://HOST/PATH; may be given several times',
    ).argParser(severalByCommas),
    new Option(
      '--lan',
      'be found on the local network, and find others there, with no server (default: on, but off on loopback, for send and receive where they wait and have a server, and for expose without --allow or --code)',
    ),
    new Option('--no-lan', 'do neither'),
    new Option(
      '--turn <SERVER>',
      'a TURN server for peers that no direct way leads to: turn:USER:PASSWORD@HOST:PORT, or turns: by TLS; may be given several times',
    ).argParser(severalBySpaces),
    new Option(
      '--relay <URL>',
      'a relay for peers that no direct way leads to, such as http://HOST:8080; may be given several times (default: those of the servers)',
    ).argParser(several),
    new Option('--no-relay', 'meet nobody at a relay'),
  ]);

const bind = () => new Option('-b, --bind <ADDR>', 'the local address to listen on and to dial from (default: all)');

const whoOptions = () => [
  new Option(
    '-k, --key <FILE>',
    "the node's key; made and saved there when there is none (default: a new one each time)",
  ),
  new Option(
    '--ca <FILE>',
    'certificates (PEM) of authorities that may prove servers, besides those that everybody trusts',
  ),
];

/** Of every command. */
export const json = () => new Option('--json', 'write what happens to stderr, one JSON object a line');

/** Of commands whose node others are to reach. */
export const reachableOptions = () => [
  ...meetingOptions(),
  ...under('This node:', [
    new Option('-p, --port <N>', 'the local port to listen on (default: the system chooses)').argParser(
      integer(0, 65_535),
    ),
    bind(),
    ...whoOptions(),
  ]),
  ...under('How others reach it:', [
    new Option(
      '--forwarded',
      'the port is forwarded to this node by hand: neither ask the router nor look from outside',
    ),
    new Option('--no-port-mapping', 'do not ask the router to open a port'),
    new Option(
      '--reachability <URL>',
      'a server that dials back; may be given several times (default: those that the rendezvous servers name)',
    ).argParser(several),
  ]),
];

/** The same for one that makes no connections: nobody knows its key, or is to find it. */
export const keylessOptions = () =>
  reachableOptions().filter((option) => !['key', 'lan'].includes(option.attributeName()));

/** Of commands whose attempts can be told as a page. */
export const page = () =>
  new Option('--report <FILE>', 'write what happened as a page (HTML) that can be attached to a report of a fault');

/** Of commands whose node dials one peer. */
export const diallingOptions = () => [
  ...meetingOptions(),
  ...under('This node:', [bind(), ...whoOptions()]),
  ...under('How the peer is reached:', [
    new Option('-t, --technique <NAME>', 'only this technique; may be given several times')
      .choices(TECHNIQUE_NAMES)
      .argParser(several),
    new Option('--timeout <SECONDS>', 'how long each technique may take').default(60).argParser(integer(1, 86_400)),
  ]),
];
