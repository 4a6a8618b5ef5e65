/** How long it takes to have a port opened: rxp2p beside the well-known programs in C, at the same router, in turns. */
import { fileURLToPath } from 'node:url';
import type { Observable } from 'rxjs';
import { quantile, ratioOf } from '../bench/ratio.js';
import { NETWORKS } from './networks.js';
import type { PathConfig } from './path.js';
import { addressOf, planNetwork } from './plan.js';
import type { Line } from './processes.js';
import { said, type Fields } from './programs.js';
import type { Run } from './run.js';
import { RXP2P } from './servers.js';
import type { Topology } from './topology.js';

/** Networks, what is spoken there, and who else speaks it; no program of Debian's maps by PCP. */
const CASES = [
  { network: 'upnp-igd1', protocol: 'upnp', other: 'upnpc' },
  { network: 'upnp-igd2', protocol: 'upnp', other: 'upnpc' },
  { network: 'natpmp', protocol: 'nat-pmp', other: 'natpmpc' },
  { network: 'pcp', protocol: 'pcp', other: undefined },
] as const;

const NODE = fileURLToPath(new URL('node.js', import.meta.url));
const OUR_PORT = 40_000;
const THEIR_PORT = 50_000;
const HOST = '192.168.1.11';
const GATEWAY = '192.168.1.1';

/** What one protocol took, in milliseconds, round by round. */
export interface Opening {
  readonly network: string;
  readonly protocol: string;
  /** From asking to the router's consent, with nobody outside to ask first. */
  readonly granted: readonly number[];
  /** The same of the other program, from its start to its end. */
  readonly other: { readonly program: string; readonly granted: readonly number[] } | undefined;
  /** From listening to a server's word that it got through, with the look whether it was needed at all. */
  readonly verified: readonly number[];
}

/** Measures each protocol in its own network. */
export const measureOpenings = async (run: Run, path: PathConfig, rounds: number): Promise<Opening[]> => {
  const openings: Opening[] = [];
  for (const { network, protocol, other } of CASES) {
    const opening = await run.with(planNetwork(NETWORKS[network]), path, async (topology) => {
      await topology.run('s1', [process.execPath, RXP2P, 'serve']).line((text) => text.startsWith('http'));
      const [granted, theirs, verified]: [number[], number[], number[]] = [[], [], []];
      for (let round = 0; round < rounds; round++) {
        granted.push(await grant(topology, protocol, OUR_PORT + round));
        if (other !== undefined) theirs.push(await grantTo(topology, other, THEIR_PORT + round));
        verified.push(await verify(topology, protocol, OUR_PORT + round));
      }
      return {
        network,
        protocol,
        granted,
        other: other === undefined ? undefined : { program: other, granted: theirs },
        verified,
      };
    });
    openings.push(opening);
  }
  return openings;
};

/** A table of medians. */
export const describeOpenings = (openings: readonly Opening[]): string => {
  const ms = (figure: number) => `${Math.round(figure)} ms`;
  const rows = openings.map(({ network, protocol, granted, other, verified }) => {
    const beside = other && ratioOf({ what: '', ours: granted, other: other.granted, show: ms });
    const cells = [
      network,
      protocol,
      ms(quantile(granted, 0.5)),
      other?.program ?? '–',
      beside?.other ?? '–',
      beside?.ratio ?? '–',
      ms(quantile(verified, 0.5)),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '| network | protocol | rxp2p: granted | beside it | granted | ratio | rxp2p: verified from outside |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
};

const grant = async (topology: Topology, protocol: string, port: number): Promise<number> => {
  const node = topology.run('a', [process.execPath, NODE, '--port', String(port), '--only', protocol]);
  const elapsed = await elapsedUntil(
    node.stdout$,
    ({ type, outcome }) => type === 'port-mapping' && outcome === 'succeeded',
  );
  await node.kill('SIGINT');
  return elapsed;
};

const verify = async (topology: Topology, protocol: string, port: number): Promise<number> => {
  const rendezvous = ['--rendezvous', `${addressOf(topology.plan, 's1', 4)}:8000`];
  const node = topology.run('a', [process.execPath, NODE, '--port', String(port), '--only', protocol, ...rendezvous]);
  const elapsed = await elapsedUntil(node.stdout$, ({ type, isReachable }) => type === 'reach' && isReachable === true);
  await node.kill('SIGINT');
  return elapsed;
};

const grantTo = async (topology: Topology, program: 'upnpc' | 'natpmpc', port: number): Promise<number> => {
  const number = String(port);
  const argv =
    program === 'upnpc'
      ? ['upnpc', '-a', HOST, number, number, 'TCP', '600']
      : ['natpmpc', '-g', GATEWAY, '-a', number, number, 'tcp', '600'];
  const begun = performance.now();
  const { code } = await topology.run('a', argv).exited;
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with status ${String(code)}: is ${program} installed?`);
  return performance.now() - begun;
};

const elapsedUntil = async (line$: Observable<Line>, isWanted: (step: Fields) => boolean): Promise<number> =>
  Number((await said(line$, isWanted))['elapsedMs']);
