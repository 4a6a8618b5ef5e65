/** Nodes of which one dials all others at once, each behind a router of its own. */
import { fileURLToPath } from 'node:url';
import { filter, firstValueFrom, from, lastValueFrom, mergeMap, take, toArray } from 'rxjs';
import type { Network } from './networks.js';
import { DEFAULT_PATH } from './path.js';
import { addressOf, planCrowd } from './plan.js';
import { fieldsOf, said, type Fields } from './programs.js';
import type { Run } from './run.js';
import { RXP2P } from './servers.js';
import type { Topology } from './topology.js';

const NODE = fileURLToPath(new URL('node.js', import.meta.url));

/** Listeners that start at the same time. */
const STARTING = 4;

/** What has become of each dial, and what the node held a second later. */
export interface Dialled {
  readonly outcomes: readonly Fields[];
  readonly later: Fields;
}

/** Lets a node of the one network dial listeners in the others, all at once, by two servers. */
export const dial = async (run: Run, own: Network, others: readonly Network[]): Promise<Dialled> =>
  run.with(planCrowd(own, others), DEFAULT_PATH, async (topology) => {
    const servers = ['s1', 's2'].map((server) => topology.run(server, [process.execPath, RXP2P, 'serve']));
    await Promise.all(servers.map((server) => server.line((text) => text.startsWith('http'))));
    // A few at a time: twenty programs that start at once would keep each other from meeting the servers in time.
    const started = from(others.keys()).pipe(
      mergeMap((i) => listen(topology, `b-${i}`), STARTING),
      toArray(),
    );
    const unls = await lastValueFrom(started);
    const dials = unls.flatMap((unl) => ['--dial', unl]);
    const node = topology.run('a', [process.execPath, NODE, ...rendezvous(topology), ...dials]);
    const arrived = fieldsOf(node.stdout$).pipe(
      filter(({ type }) => type === 'dialled' || type === 'failed'),
      take(others.length),
      toArray(),
    );
    const outcomes = await firstValueFrom(arrived);
    return { outcomes, later: await said(node.stdout$, ({ type }) => type === 'later') };
  });

const rendezvous = ({ plan }: Topology): string[] =>
  ['s1', 's2'].flatMap((server) => ['--rendezvous', `${addressOf(plan, server, 4)}:8000`]);

/** Starts a listener; gives its locator. */
const listen = async (topology: Topology, host: string): Promise<string> => {
  const program = topology.run(host, [process.execPath, RXP2P, 'listen', ...rendezvous(topology)]);
  return (await program.line(() => true)).text;
};
