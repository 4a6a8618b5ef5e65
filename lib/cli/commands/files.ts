import { Option, type Command } from 'commander';
import type { ReceiveOptions } from '../files/receive.js';
import type { SendOptions } from '../files/send.js';
import { diallingOptions, json, page, reachableOptions, withOptions } from '../node-options.js';

/** The two sides of a transfer of files. */
export function addFiles(program: Command, version: string): void {
  program.commandsGroup('Send files and folders:');
  withOptions(
    program
      .command('send')
      .description(
        'send files and folders to one peer; on another network it is reached by a server (--rendezvous); the first line of stdout is the code that it needs',
      )
      .argument('<PATH...>', 'files and folders'),
    new Option(
      '--to <PEER>',
      'what a waiting rxp2p receive has printed, a code or a ticket, or the UNL of a program that receives files',
    ),
    new Option('--keep-links', 'send symbolic links as links, where they lead to what is sent (default: refuse them)'),
    new Option('--no-compress', 'do not compress what would get smaller'),
    page(),
    json(),
    ...bothOptions(),
  )
    .addHelpText(
      'after',
      `
Peers on other networks are reached by a server: --rendezvous, or RXP2P_RENDEZVOUS. On one local network none is needed.
  rxp2p send holiday/ --rendezvous SERVER                 here; it prints a code, and all that is to be typed there
  rxp2p receive 7-otter-violet --rendezvous SERVER        there
A code is read to one person, and good once, for ten minutes. A ticket is long, and lasts; it names the server itself:
  rxp2p send holiday/ --ticket --rendezvous SERVER        here
  rxp2p receive TICKET --into pictures                    there
Without a server and a local network there is a ticket as well.
Whoever has the ticket gets the files, once. What has come of a transfer that was broken is not sent again by the next; with --key and
--port the ticket stays the same, so that the same commands go on.`,
    )
    .action(async (paths: string[], options: SendOptions) =>
      (await import('../files/send.js')).send(paths, options, version),
    );

  withOptions(
    program
      .command('receive')
      .description('receive files and folders from one peer, go on where it was broken, and verify each')
      .argument('[TICKET|CODE]', 'what rxp2p send has printed; without it, a code for the sender is printed'),
    new Option('--into <DIR>', 'where to; nothing is written elsewhere').default('.', 'the current folder'),
    new Option('-y, --yes', 'take what is offered without being asked'),
    new Option('--existing <WHAT>', 'what happens where another file has the name of one that is offered')
      .choices(['refuse', 'rename', 'replace', 'skip'])
      .default('refuse'),
    page(),
    json(),
    ...bothOptions(),
  )
    .addHelpText(
      'after',
      `
A file has its name when it is whole. What is not whole is kept in DIR/.rxp2p-partial, and goes on the next time, also days later.`,
    )
    .action(async (ticket: string | undefined, options: ReceiveOptions) =>
      (await import('../files/receive.js')).receive(ticket, options, version),
    );
}

/** Either side may wait, and either may dial. */
function bothOptions(): Option[] {
  const reachable = [
    new Option('--qr', 'on a terminal, show the ticket as a QR code, too'),
    new Option(
      '--code',
      'where this side waits: show a code, such as 7-otter-violet, or say why there can be none (default: show one where there can be)',
    ),
    new Option('--ticket', 'where this side waits: print a ticket; it lasts, and names the servers'),
    ...reachableOptions(),
  ];
  const names = new Set(reachable.map((option) => option.attributeName()));
  return [...reachable, ...diallingOptions().filter((option) => !names.has(option.attributeName()))];
}
