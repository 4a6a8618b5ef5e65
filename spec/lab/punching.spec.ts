/** What only shows with many peers at once, or from inside a node: the matrix shows who reaches whom. */
import { fileURLToPath } from 'node:url';
import { filter, firstValueFrom, from, lastValueFrom, mergeMap, take, toArray } from 'rxjs';
import { NETWORKS, type Network } from './networks.js';
import { DEFAULT_PATH } from './path.js';
import { addressOf, planCrowd } from './plan.js';
import { fieldsOf, said, type Fields } from './programs.js';
import { Run } from './run.js';
import { RXP2P } from './servers.js';
import { canRunLab, LAB_LIMIT_MS, needsLab } from './support.js';
import type { Topology } from './topology.js';

const NODE = fileURLToPath(new URL('node.js', import.meta.url));

/** Networks whose ports can be predicted, in turns. */
const PREDICTABLE = (
  ['preserving', 'firewall', 'delta1', 'cgnat', 'preserving-reject', 'fullcone', 'delta3'] as const
).map((name): Network => NETWORKS[name]);

/**
 * The peers that are dialled at once. CI gives the whole crowd: each is a program of its own, of which twenty keep a machine
 * busy for a minute before they do what is to be seen here.
 */
const CROWD = Number(process.env['RXP2P_LAB_CROWD'] ?? 6);
const HALF = Math.ceil(CROWD / 2);

/** Listeners that start at the same time. */
const STARTING = 4;

/** What a node has open for itself: files, sessions with servers. */
const FEW_DESCRIPTORS = 64;

describe('rxp2p that punches', () => {
  let run: Run;

  beforeAll(async () => {
    if (canRunLab()) run = await Run.open();
  });

  afterAll(async () => {
    if (canRunLab()) await run.close();
  });

  const dial = async (own: Network, others: readonly Network[], work: (outcomes: Fields[], later: Fields) => void) => {
    await run.with(planCrowd(own, others), DEFAULT_PATH, async (topology) => {
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
      const outcomes = fieldsOf(node.stdout$).pipe(
        filter(({ type }) => type === 'dialled' || type === 'failed'),
        take(others.length),
        toArray(),
      );
      const arrived = await firstValueFrom(outcomes);
      work(arrived, await said(node.stdout$, ({ type }) => type === 'later'));
    });
  };

  it(
    `reaches ${CROWD} peers behind routers of their own at once`,
    async () => {
      needsLab();
      const others = Array.from(
        { length: CROWD },
        (_, i) => PREDICTABLE[i % PREDICTABLE.length] ?? NETWORKS.preserving,
      );
      await dial(NETWORKS.preserving, others, (outcomes) => {
        expect(outcomes.filter(({ type }) => type === 'failed')).toEqual([]);
        expect(new Set(outcomes.map(({ peerId }) => peerId)).size).toBe(CROWD);
        expect(
          outcomes.every(({ technique, direct }) => technique === 'simultaneous-open' && direct === true),
        ).toBeTrue();
      });
    },
    LAB_LIMIT_MS,
  );

  it(
    `reaches ${HALF} peers at once from behind a NAT whose next ports are predicted, one punch after the other`,
    async () => {
      needsLab();
      const others = Array.from({ length: HALF }, (_, i) => PREDICTABLE[i % PREDICTABLE.length] ?? NETWORKS.preserving);
      await dial(NETWORKS.delta1, others, (outcomes) => {
        expect(outcomes.filter(({ type }) => type === 'failed')).toEqual([]);
        expect(new Set(outcomes.map(({ peerId }) => peerId)).size).toBe(HALF);
        expect(outcomes.every(({ technique }) => technique === 'simultaneous-open')).toBeTrue();
      });
    },
    LAB_LIMIT_MS,
  );

  for (const [own, other] of [
    ['random', 'preserving'],
    ['preserving', 'random'],
  ] as const) {
    it(
      `has given back the sockets of ${own} to ${other} within a second`,
      async () => {
        needsLab();
        await dial(NETWORKS[own], [NETWORKS[other]], ([outcome], later) => {
          expect(outcome).toEqual(jasmine.objectContaining({ type: 'dialled', technique: 'simultaneous-open' }));
          expect(Number(later['descriptors'])).toBeLessThan(FEW_DESCRIPTORS);
        });
      },
      LAB_LIMIT_MS,
    );
  }

  it(
    'gives up at once, with the reason, where the ports of both are random',
    async () => {
      needsLab();
      await dial(NETWORKS.random, [NETWORKS['cgnat-random']], ([outcome]) => {
        expect(outcome?.['reason']).toMatch(/Both NATs give random ports/);
      });
    },
    LAB_LIMIT_MS,
  );
});

const rendezvous = ({ plan }: Topology): string[] =>
  ['s1', 's2'].flatMap((server) => ['--rendezvous', `${addressOf(plan, server, 4)}:8000`]);

/** Starts a listener; gives its locator. */
const listen = async (topology: Topology, host: string): Promise<string> => {
  const program = topology.run(host, [process.execPath, RXP2P, 'listen', ...rendezvous(topology)]);
  return (await program.line(() => true)).text;
};
