/** Whether nodes of one network find each other with no server, and no others. */
import { fileURLToPath } from 'node:url';
import { filter, firstValueFrom, skipWhile } from 'rxjs';
import { parseEvent } from './events.js';
import { labRun } from './lab-run.js';
import { DEFAULT_PATH } from './path.js';
import { addressOf, planPair } from './plan.js';
import type { Program } from './processes.js';
import { fieldsOf, said, type Fields } from './programs.js';
import { RXP2P } from './servers.js';
import { LAB_LIMIT_MS, needsLab } from './support.js';
import type { Topology } from './topology.js';
import { leftToCi } from '../support/left-to-ci.js';

const NODE = fileURLToPath(new URL('node.js', import.meta.url));

/** The two hosts of a network that they share. */
const HOSTS = ['a', 'b'] as const;

describe('Nodes of one network', () => {
  const run = labRun();

  const onLan = (topology: Topology, host: string, ...args: readonly string[]): Program =>
    topology.run(host, [process.execPath, NODE, '--lan', ...args]);

  it(
    'find each other and connect with no server, also with no way out, and know when one has left',
    async () => {
      needsLab();
      await run().with(planPair(['same-lan']), DEFAULT_PATH, async (topology) => {
        for (const host of HOSTS) {
          expect((await topology.run(host, ['ip', 'route', 'del', 'default']).exited).code).toBe(0);
        }
        const bob = onLan(topology, 'b');
        const alice = onLan(topology, 'a', '--meet');
        expect(await said(alice.stdout$, ({ type }) => type === 'connected')).toEqual(
          jasmine.objectContaining({
            technique: 'direct',
            remote: jasmine.objectContaining({ address: addressOf(topology.plan, 'b', 4) }),
          }),
        );
        await bob.kill('SIGINT');
        const later$ = fieldsOf(alice.stdout$).pipe(skipWhile((fields) => !isListOf(1)(fields)));
        await firstValueFrom(later$.pipe(filter(isListOf(0))));
      });
    },
    LAB_LIMIT_MS,
  );

  it(
    'find each other by IPv6 alone',
    async () => {
      leftToCi();
      needsLab();
      await run().with(planPair(['same-lan']), DEFAULT_PATH, async (topology) => {
        for (const host of HOSTS) {
          const commands = [
            'sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.accept_dad=0',
            'ip link set eth0 down',
            'ip addr flush dev eth0',
            'ip link set eth0 up',
            `ip addr add fd00:1::${host}/64 dev eth0 nodad`,
          ];
          expect((await topology.run(host, ['sh', '-c', commands.join(' && ')]).exited).code).toBe(0);
        }
        onLan(topology, 'b');
        const alice = onLan(topology, 'a', '--meet');
        expect(await said(alice.stdout$, ({ type }) => type === 'connected')).toEqual(
          jasmine.objectContaining({ remote: jasmine.objectContaining({ address: 'fd00:1::b' }) }),
        );
      });
    },
    LAB_LIMIT_MS,
  );

  it(
    'that their router keeps apart do not find each other, and meet at the servers',
    async () => {
      leftToCi();
      needsLab();
      await run().with(planPair(['hairpin']), DEFAULT_PATH, async (topology) => {
        const server = `${addressOf(topology.plan, 's1', 4)}:8000`;
        await topology.run('s1', [process.execPath, RXP2P, 'serve']).line((text) => text.startsWith('http'));
        const start = (host: 'a' | 'b', ...args: string[]) =>
          topology.run(host, [process.execPath, RXP2P, ...args, '--lan', '--rendezvous', server, '--json']);
        const listener = start('b', 'listen', '--echo');
        const unl = (await listener.line(() => true)).text;
        const dialer = start('a', 'connect', unl);
        await dialer.line((text) => parseEvent(text)?.event === 'connected', dialer.stderr$);
        dialer.write('hello');
        expect((await dialer.line(() => true)).text).toBe('hello');
        const neighbours = onLan(topology, 'a');
        expect(await said(neighbours.stdout$, ({ type }) => type === 'neighbours')).toEqual({
          type: 'neighbours',
          neighbours: [],
        });
      });
    },
    LAB_LIMIT_MS,
  );
});

/** Whether so many nodes are told of. */
const isListOf =
  (count: number) =>
  ({ type, neighbours }: Fields): boolean =>
    type === 'neighbours' && Array.isArray(neighbours) && neighbours.length === count;
