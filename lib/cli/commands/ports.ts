import { Option, type Command } from 'commander';
import type { ExposeOptions } from '../expose.js';
import type { ForwardOptions } from '../forward.js';
import { diallingOptions, integer, json, reachableOptions, several, withOptions } from '../node-options.js';

/** The two ends of a forwarded port. */
export function addPorts(program: Command): void {
  program.commandsGroup('TCP services of peers:');
  withOptions(
    program
      .command('expose')
      .description(
        'let peers reach TCP services, such as a web server of this machine; the first line of stdout is the UNL',
      )
      .argument('<SERVICE...>', '[NAME=]HOST:PORT, or [NAME=]PORT on this machine; peers reach nothing else'),
    new Option(
      '--allow <PEERID>',
      'only this peer may connect; may be given several times (default: whoever has the UNL)',
    ).argParser(several),
    new Option(
      '--code',
      'print a code, too: who types it may connect, once, within ten minutes; nobody else may, but those of --allow',
    ),
    json(),
    ...reachableOptions(),
  )
    .addHelpText(
      'after',
      `
A web server and SSH, for one peer alone, and by the same UNL after a restart:
  rxp2p expose 8080 ssh=localhost:22 --key expose.key --port 4100 --allow PEERID
The peer, who keeps its key in a file, too, so that its PEERID stays the same:
  rxp2p forward UNL --key me.key                          the first service
  rxp2p forward UNL --key me.key --target ssh --port 2222
By a code that one person reads to another, at a rendezvous server that both use:
  rxp2p expose 8080 --code --rendezvous SERVER            prints the UNL, then a code
  rxp2p forward 7-otter-violet --rendezvous SERVER        there
A service that refuses connections is told to the client by a reset. Ends on Ctrl-C.`,
    )
    .action(async (services: string[], options: ExposeOptions) =>
      (await import('../expose.js')).expose(services, options),
    );

  withOptions(
    program
      .command('forward')
      .description('a local port that leads to a TCP service of a peer, who exposes it; the port is on stdout')
      .argument('<UNL|CODE>', 'the locator that rxp2p expose printed, or its code'),
    new Option('--target <SERVICE>', 'the name or the number of a service that the peer exposes').default('1'),
    new Option('-p, --port <N>', 'the local port').default(0, 'the system chooses').argParser(integer(0, 65_535)),
    new Option('--host <ADDR>', 'the local address; with 127.0.0.1 only programs of this machine can use it').default(
      '127.0.0.1',
    ),
    json(),
    ...diallingOptions(),
  )
    .addHelpText(
      'after',
      `
Connections are kept whole while the way to the peer changes, also when it is gone for up to 30 s. When the peer was away for
longer, its clients are reset, and it is looked for again. Ends on Ctrl-C.`,
    )
    .action(async (unl: string, options: ForwardOptions) => (await import('../forward.js')).forward(unl, options));
}
