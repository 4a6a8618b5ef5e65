/** Whether all who join a room hear each other, wherever they are. */
import { filter, firstValueFrom, map, take, toArray } from 'rxjs';
import { NETWORKS, type Network } from './networks.js';
import { DEFAULT_PATH } from './path.js';
import { addressOf, planCrowd } from './plan.js';
import type { Program } from './processes.js';
import { fieldsOf } from './programs.js';
import { Run } from './run.js';
import { RXP2P } from './servers.js';
import { canRunLab, fewOf, LAB_LIMIT_MS, needsLab } from './support.js';
import type { Topology } from './topology.js';

/**
 * Where the members are: most cannot be dialled, and to one no port can be guessed. CI has all of them: each is a program of its own, of which
 * twelve keep a machine busy.
 */
const PLACES = fewOf(
  [
    'public',
    'preserving',
    'fullcone',
    'firewall',
    'random',
    'delta1',
    'cgnat',
    'preserving-reject',
    'public',
    'firewall',
    'preserving',
    'delta3',
  ],
  ['public', 'preserving', 'firewall', 'random'],
).map((name): Network => NETWORKS[name]);

const [OWN = NETWORKS.public, ...OTHERS] = PLACES;

describe('A room whose members are behind routers of their own', () => {
  let run: Run;

  beforeAll(async () => {
    if (canRunLab()) run = await Run.open();
  });

  afterAll(async () => {
    if (canRunLab()) await run.close();
  });

  it(
    `has ${PLACES.length} members who all hear each other, by rendezvous servers`,
    async () => {
      needsLab();
      await run.with(planCrowd(OWN, OTHERS), DEFAULT_PATH, async (topology) => {
        const servers = ['s1', 's2'].map((server) => topology.run(server, [process.execPath, RXP2P, 'serve']));
        await Promise.all(servers.map((server) => server.line((text) => text.startsWith('http'))));
        await expectAllHeard(membersIn(topology, rendezvous(topology)));
      });
    },
    LAB_LIMIT_MS,
  );
});

function membersIn(topology: Topology, args: readonly string[]): readonly Program[] {
  const hosts = ['a', ...OTHERS.map((_, index) => `b-${index}`)];
  return hosts.map((host) => topology.run(host, [process.execPath, RXP2P, 'room', 'chess', '--json', ...args]));
}

/** Each says a line once it knows of all others, and gets those of all others, each once. */
async function expectAllHeard(members: readonly Program[]): Promise<void> {
  const others = members.length - 1;
  await Promise.all(
    members.map(({ stderr$ }) =>
      firstValueFrom(
        fieldsOf(stderr$).pipe(filter((fields) => fields['event'] === 'here' && fields['others'] === others)),
      ),
    ),
  );
  const heard = members.map(({ stdout$ }) =>
    firstValueFrom(
      fieldsOf(stdout$).pipe(
        take(others),
        map(({ text }) => String(text)),
        toArray(),
      ),
    ),
  );
  for (const [index, member] of members.entries()) member.write(`line of ${index}`);
  for (const [index, lines] of (await Promise.all(heard)).entries()) {
    const expected = [...members.keys()].filter((other) => other !== index).map((other) => `line of ${other}`);
    expect([...lines].sort()).toEqual(expected.sort());
  }
}

const rendezvous = ({ plan }: Topology): string[] =>
  ['s1', 's2'].flatMap((server) => ['--rendezvous', `${addressOf(plan, server, 4)}:8000`]);
