/** Whether all who join a room hear each other, wherever they are. */
import { filter, firstValueFrom, map, take, toArray } from 'rxjs';
import type { CarrierName } from '../../lib/signalling/carrier.js';
import { labRun } from './lab-run.js';
import { NETWORKS, type Network } from './networks.js';
import { DEFAULT_PATH } from './path.js';
import { planCrowd } from './plan.js';
import type { Program } from './processes.js';
import { fieldsOf } from './programs.js';
import { meetingPlaces, RXP2P, startServers } from './servers.js';
import { fewOf, LAB_LIMIT_MS, needsLab } from './support.js';
import type { Topology } from './topology.js';
import { leftToCi } from '../support/left-to-ci.js';

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
  const run = labRun();

  for (const [carrier, means] of [
    ['rendezvous', 'rendezvous servers'],
    ['dht', 'nodes of a DHT alone'],
  ] as const)
    it(
      `has ${PLACES.length} members who all hear each other, by ${means}`,
      async () => {
        leftToCi();
        needsLab();
        await run().with(planCrowd(OWN, OTHERS), DEFAULT_PATH, async (topology) => {
          await startServers(topology, { rxp2p: RXP2P, carrier });
          await expectAllHeard(membersIn(topology, carrier));
        });
      },
      LAB_LIMIT_MS,
    );
});

function membersIn(topology: Topology, carrier: CarrierName): readonly Program[] {
  const hosts = ['a', ...OTHERS.map((_, index) => `b-${index}`)];
  const room = [process.execPath, RXP2P, 'room', 'chess', '--json'];
  return hosts.map((host) => topology.run(host, [...room, ...meetingPlaces(topology, host, carrier)]));
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
