import { Option, type Command } from 'commander';
import type { ConnectOptions } from '../connect.js';
import type { ListenOptions } from '../listen.js';
import type { RoomOptions } from '../room.js';
import { diallingOptions, integer, json, page, reachableOptions, withOptions } from '../node-options.js';
import type { ReachableOptions } from '../terminal.js';

/** Commands that pass lines or bytes between the terminal and peers. */
export function addLines(program: Command, version: string): void {
  program.commandsGroup('Talk to peers:');
  withOptions(
    program
      .command('listen')
      .description('wait for peers: the first line of stdout is the UNL they need, then come the lines they send'),
    new Option('--echo', 'send each line back to the peer it came from'),
    new Option(
      '--raw',
      'pass bytes instead of lines, to one peer at a time; stdout has nothing but them, the UNL is on stderr',
    ).conflicts('echo'),
    new Option('--code', 'show a code, too: who types it learns the UNL, once, within ten minutes'),
    new Option('--once', 'with --raw: end when the first peer has left, with status 0 when every byte has come'),
    json(),
    ...reachableOptions(),
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
    .action(async (options: ListenOptions) => (await import('../listen.js')).listen(options));

  withOptions(
    program
      .command('connect')
      .description('connect to a node by its UNL or a code, like nc: stdin goes to the peer, its lines to stdout')
      .argument(
        '<UNL|CODE>',
        'the locator that the peer printed, which names its servers, too; or a code that it shows',
      ),
    new Option('--raw', 'pass bytes instead of lines; the peer has to listen with --raw, too'),
    page(),
    json(),
    ...diallingOptions(),
  )
    .addHelpText(
      'after',
      `
Ends when either side closes. At the end of stdin all of it is delivered first.
With --raw it ends when both directions have ended, with status 0 when every byte has gone and come.`,
    )
    .action(async (unl: string, options: ConnectOptions) =>
      (await import('../connect.js')).connect(unl, options, version),
    );

  withOptions(
    program
      .command('join')
      .description('join a flooding network: stdin lines go to every node, lines from the network to stdout'),
    json(),
    ...reachableOptions(),
  )
    .addHelpText(
      'after',
      '\nA line that went through the network within the last minute is not sent again. Ends on Ctrl-C.',
    )
    .action(async (options: ReachableOptions) => (await import('../join.js')).join(options));

  withOptions(
    program
      .command('room')
      .description('join a room: lines of stdin reach everybody there, and what others say comes to stdout')
      .argument('<NAME>', 'the name of the room; whoever joins by the same is in it'),
    new Option(
      '--secret-file <FILE>',
      'a file with the secret of the room in its first line: who does not know it stays out',
    ),
    new Option('--history <N>', 'how many of the last lines to ask for (0 to 64)').argParser(integer(0, 64)),
    json(),
    ...reachableOptions(),
  )
    .addHelpText(
      'after',
      `
Members find each other by the rendezvous servers that they have in common, by the DHT, and on the local network.
Who comes and who goes is told on stderr. With --json each line of stdout is an object: from, text, at, hops, past.
Goes on listening when stdin has ended. Ends on Ctrl-C.`,
    )
    .action(async (name: string, options: RoomOptions) => (await import('../room.js')).room(name, options));
}
