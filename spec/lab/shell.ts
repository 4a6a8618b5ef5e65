/** A prompt, or one command, in a host of a pair of networks. */
import { spawn } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import type { PathConfig } from './path.js';
import { addressOf, familiesOf, planPair, type Host, type Pair, type Plan } from './plan.js';
import type { Run } from './run.js';
import { RXP2P } from './servers.js';

const HOSTS: readonly Host[] = ['a', 'b', 's1', 's2'];

/** Gives the exit status of the shell or command; of one that a signal ended, 128 and its number, as shells do. */
export const openShell = (
  run: Run,
  pair: Pair,
  path: PathConfig,
  host: Host,
  command: readonly string[],
): Promise<number> =>
  run.with(planPair(pair), path, async (topology) => {
    const addresses = HOSTS.map((each) => [each, addressesOf(topology.plan, each)] as const);
    // So that one types there what a user would type, and reaches the other hosts too.
    writeScript(run, 'rxp2p', `exec '${process.execPath}' '${RXP2P}' "$@"`);
    const named = topology.named([]).map((word) => `'${word}'`);
    writeScript(run, 'on', `host=$1; shift; exec ip netns exec ${topology.namespace('$host')} ${named.join(' ')} "$@"`);
    const env = {
      ...process.env,
      PATH: [run.directory, process.env['PATH']].join(delimiter),
      ...Object.fromEntries(addresses.map(([each, address]) => [`LAB_${each.toUpperCase()}`, address])),
    };
    if (command.length === 0) console.error(greeting(host, addresses));
    const argv = command.length === 0 ? [process.env['SHELL'] ?? 'bash'] : command;
    const child = spawn('ip', ['netns', 'exec', topology.namespace(host), ...topology.named(argv)], {
      stdio: 'inherit',
      env,
    });
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal]);
      });
    });
  });

const addressesOf = (plan: Plan, host: Host): string =>
  familiesOf(plan, host)
    .map((family) => addressOf(plan, host, family))
    .join(' ');

const greeting = (host: Host, addresses: readonly (readonly [Host, string])[]): string =>
  [
    ...addresses.map(([each, address]) => `  ${each.padEnd(4)}${address}`),
    `You are in ${host}. \`on b COMMAND\` runs a command in another host, such as \`on s1 rxp2p serve &\`.`,
    'The servers have names, s1.lab and s2.lab, of both families; those of one are v4.s1.lab, v6.s1.lab and so on.',
    'Everything ends when you leave.',
  ].join('\n');

const writeScript = (run: Run, name: string, line: string): void => {
  const file = join(run.directory, name);
  writeFileSync(file, `#!/bin/sh\n${line}\n`);
  chmodSync(file, 0o755);
};
