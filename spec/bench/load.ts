import { spawnSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { numberOf, textOf, type Role, type Start } from './actors.js';
import type { Benchmark } from './benchmark.js';
import { nodeOf } from './nodes.js';
import { ratioOf } from './ratio.js';

/** From here the package finds itself by its name. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The command line as it is installed. */
const RXP2P = fileURLToPath(new URL('../../lib/cli/rxp2p.js', import.meta.url));

const ROUNDS = 15;

/** Pairs of processes that connect, of each kind. */
const PAIRS = 5;

/** A node has had to do with its servers for this long when it connects, or is connected to, for the first time. */
const STARTED_MS = 1_000;

/** What it takes to begin: to import the library, to run a command, to connect for the first time. */
export const load: Benchmark = {
  name: 'load',
  about: `the CPU time of an import, and the time of a command, whole processes in turns, ${ROUNDS} rounds; the time from connect$ to the connection in two fresh processes that began a second ago, against a bare TCP + TLS 1.3 connect in two more, ${PAIRS} rounds`,
  roles: { accepting, dialling },
  measure: async function* (start) {
    const rounds = Array.from({ length: ROUNDS }, () => {
      const [nothing, rxjs, rxp2p] = [
        cpuTimeOf(''),
        cpuTimeOf("await import('rxjs')"),
        cpuTimeOf("await import('rxp2p')"),
      ];
      return {
        rxjs: rxjs - nothing,
        rxp2p: rxp2p - rxjs,
        version: timeOf([RXP2P, '--version']),
        node: timeOf(['-e', '0']),
      };
    });
    const show = (ms: number) => `${ms.toFixed(1)} ms`;
    yield ratioOf({
      what: 'CPU time to import, beyond rxjs : rxjs itself',
      ours: rounds.map(({ rxp2p }) => rxp2p),
      other: rounds.map(({ rxjs }) => rxjs),
      show,
      target: { atMost: 0.8 },
    });
    yield ratioOf({
      what: 'rxp2p --version : node -e 0',
      ours: rounds.map(({ version }) => version),
      other: rounds.map(({ node }) => node),
      show,
      target: { atMost: 1.5 },
    });
    const ours: number[] = [];
    const other: number[] = [];
    for (let left = PAIRS; left > 0; left--) {
      ours.push(await firstConnect(start, 'rxp2p'));
      other.push(await firstConnect(start, 'tls'));
    }
    yield ratioOf({ what: 'time to connect for the first time : TLS 1.3', ours, other, show });
  },
};

/** The CPU time, user and system, of a process that runs a program, in milliseconds. */
function cpuTimeOf(program: string): number {
  const telling = `${program}; const { user, system } = process.cpuUsage(); console.log((user + system) / 1000);`;
  return Number(outputOf(['--input-type=module', '--eval', telling]));
}

/** How long a process takes, from its start to its end, in milliseconds. */
function timeOf(args: readonly string[]): number {
  const begun = process.hrtime.bigint();
  outputOf(args);
  return Number(process.hrtime.bigint() - begun) / 1e6;
}

function outputOf(args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`node ${args.join(' ')} failed: ${stderr}`);
  return stdout;
}

/** The time that the first connection of two new processes takes, in milliseconds. */
async function firstConnect(start: Start, kind: string): Promise<number> {
  const [there, here] = [start('accepting', kind), start('dialling', kind)];
  const [where] = await Promise.all([there.ask('listen'), here.ask('begin')]);
  await pause(STARTED_MS);
  const took = numberOf(await here.ask('connect', where), 'ms');
  await Promise.all([there.end(), here.end()]);
  return took;
}

function accepting(kind: string): ReturnType<Role> {
  return {
    listen: async () => ({
      where: await nodeOf(kind).listen((wire) => {
        wire.idle();
      }),
    }),
  };
}

function dialling(kind: string): ReturnType<Role> {
  const node = nodeOf(kind);
  return {
    begin: async () => ({ where: await node.listen(() => undefined) }),
    connect: async (values) => {
      const begun = performance.now();
      await node.connect(textOf(values, 'where'));
      return { ms: performance.now() - begun };
    },
  };
}
