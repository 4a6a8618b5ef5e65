/** A prompt, or one command, in a host of a pair of networks. */
import { spawn } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { RXP2P } from './matrix.js';
import type { PathConfig } from './path.js';
import { addressOf, familiesOf, planPair, type Host, type Pair, type Plan } from './plan.js';
import type { Run } from './run.js';

const HOSTS: readonly Host[] = ['a', 'b', 's1', 's2'];

/** Gives the exit status of the shell or command. */
export const openShell = (
  run: Run,
  pair: Pair,
  path: PathConfig,
  host: Host,
  command: readonly string[],
): Promise<number> =>
  run.with(planPair(pair), path, async (topology) => {
    const addresses = HOSTS.map((each) => [each, addressesOf(topology.plan, each).join(' ')] as const);
    const interactive = command.length === 0;
    if (interactive) {
      const names = addresses.map(
        ([each, address]) => `  ${each.padEnd(4)}${address.padEnd(34)}ip netns exec ${topology.namespace(each)} bash`,
      );
      console.error(['Hosts, their addresses, and how to get into each from another terminal:', ...names].join('\n'));
      console.error(`You are in ${host}; \`rxp2p\` is the one just built. Everything ends when you leave.`);
    }
    const env = {
      ...process.env,
      PATH: [commandDirectory(run), process.env['PATH']].join(delimiter),
      ...Object.fromEntries(addresses.map(([each, address]) => [`LAB_${each.toUpperCase()}`, address])),
    };
    const argv = interactive ? [process.env['SHELL'] ?? 'bash'] : command;
    const child = spawn('ip', ['netns', 'exec', topology.namespace(host), ...argv], { stdio: 'inherit', env });
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        resolve(code ?? 1);
      });
    });
  });

const addressesOf = (plan: Plan, host: Host): string[] =>
  familiesOf(plan, host).map((family) => addressOf(plan, host, family));

/** So that one types `rxp2p` there as a user would. */
const commandDirectory = (run: Run): string => {
  const file = join(run.directory, 'rxp2p');
  writeFileSync(file, `#!/bin/sh\nexec '${process.execPath}' '${RXP2P}' "$@"\n`);
  chmodSync(file, 0o755);
  return run.directory;
};
