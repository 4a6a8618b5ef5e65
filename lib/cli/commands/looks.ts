import { Option, type Command } from 'commander';
import type { DoctorOptions } from '../doctor.js';
import { diallingOptions, integer, json, keylessOptions, page, seconds, withOptions } from '../node-options.js';
import type { PingOptions } from '../ping.js';

/** Commands that diagnose this machine's network, and the way to a peer. */
export function addLooks(program: Command, version: string): void {
  program.commandsGroup('Diagnose:');
  withOptions(
    program
      .command('doctor')
      .description("look at this machine's network, and say who can reach it, how, and what would make it better"),
    page(),
    json(),
    ...keylessOptions(),
  )
    .addHelpText(
      'after',
      `
It takes the options that your program has, and looks for up to 20 seconds. A router may open a port meanwhile; it is closed again.
It asks the router by PCP, NAT-PMP and UPnP what it speaks and is called, servers for their versions, itself by its address outside (hairpin),
and the local network by multicast who is there. Each sentence rests on what was seen; where nothing was, it says so.`,
    )
    .action(async (options: DoctorOptions) => (await import('../doctor.js')).doctor(options, version));

  withOptions(
    program
      .command('ping')
      .description('the round trip to a node, whatever program it is of, and by which way; tells when the way changes')
      .argument('<UNL|CODE>', 'the locator that the peer printed, or a code that it shows'),
    new Option('-n, --count <N>', 'how often (default: until interrupted)').argParser(integer(1, 1_000_000)),
    new Option('-i, --interval <SECONDS>', 'the time from one to the next').default(1).argParser(seconds(0.1, 86_400)),
    new Option('--until-direct', 'end with the first answer by a direct way'),
    page(),
    json(),
    ...diallingOptions(),
  )
    .addHelpText(
      'after',
      `
It answers by refusing a channel that nobody takes, so the peer needs no option for it.`,
    )
    .action(async (unl: string, options: PingOptions) => (await import('../ping.js')).ping(unl, options, version));
}
