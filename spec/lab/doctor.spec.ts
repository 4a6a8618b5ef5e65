/** Whether `rxp2p doctor` says of each network of the lab what it is, and who reaches whom. */
import { from, lastValueFrom, mergeMap } from 'rxjs';
import { NETWORKS, type Network, type NetworkName } from './networks.js';
import { DEFAULT_PATH } from './path.js';
import { planPairs } from './plan.js';
import { said, type Fields } from './programs.js';
import { Run } from './run.js';
import { meetingPlaces, RXP2P, startServers } from './servers.js';
import { canRunLab, fewOf, LAB_LIMIT_MS, needsLab } from './support.js';
import type { Topology } from './topology.js';

/** They wait for routers more than they work. */
const PARALLEL = 6;

/** One whose router opens a port, and one with random ports. CI takes all networks. */
const FEW: readonly NetworkName[] = ['upnp-igd2', 'random'];
const isNetworkName = (name: string): name is NetworkName => Object.hasOwn(NETWORKS, name);
const NAMES = fewOf(Object.keys(NETWORKS).filter(isNetworkName), FEW);

/** How often a router is looked for that is there. */
const LOOKS = 5;

/** What is advised where a router opens no port, … */
const SWITCH_ON = 'Switch on UPnP';

/** … and in networks of other kinds. */
const ADVICE: Partial<Record<NetworkName, RegExp>> = {
  // The router names the provider’s address as its own: nothing tells the NAT there from a firewall.
  'upnp-behind-cgnat': /nobody gets in by it: .* another NAT/,
  random: /gives random ports/,
  'cgnat-random': /gives random ports/,
  'port-block': /gives random ports/,
  'ipv6-firewall': /drops IPv6 connections/,
};

describe('rxp2p doctor', () => {
  let run: Run;

  beforeAll(async () => {
    if (canRunLab()) run = await Run.open();
  });

  afterAll(async () => {
    if (canRunLab()) await run.close();
  });

  it(
    `says what ${NAMES.length} networks are, and how others get there`,
    async () => {
      needsLab();
      await run.with(planPairs(NAMES.map((name) => [name, name])), DEFAULT_PATH, async (topology) => {
        await startServers(topology, { rxp2p: RXP2P });
        await lastValueFrom(from(NAMES).pipe(mergeMap((name) => expectChecked(topology, name), PARALLEL)));
      });
    },
    NAMES.length * LAB_LIMIT_MS,
  );
});

/** What the doctor says of a host's network, and its exit status. */
const asked = async (topology: Topology, host: string): Promise<{ check: Fields; code: number | null }> => {
  const doctor = topology.run(host, [process.execPath, RXP2P, 'doctor', ...meetingPlaces(topology, host), '--json']);
  const check = await said(doctor.stderr$, ({ event, isSettled }) => event === 'check' && isSettled === true);
  return { check, code: (await doctor.exited).code };
};

const isDialledBy = ({ ways }: Fields): boolean => JSON.stringify(ways).includes('"toBeReached":"dial"');

const expectChecked = async (topology: Topology, name: NetworkName): Promise<void> => {
  const { portMapping, mapsInVain }: Network = NETWORKS[name];
  const isOpened = portMapping !== undefined && mapsInVain !== true;
  const isDialled = isOpened || name === 'public';
  const toBeReached = isDialled ? 'dial' : 'dial-back';
  let { check, code } = await asked(topology, `a-${name}`);
  // On a busy machine a router answers a search too late, or a server dials back too late: it is looked again, as a user would.
  for (let looks = 1; looks < LOOKS && isOpened && !isDialledBy(check); looks++) {
    ({ check, code } = await asked(topology, `a-${name}`));
  }
  expect(check['ways'])
    .withContext(name)
    .toContain(jasmine.objectContaining({ peer: 'reachable', toBeReached }));
  expect(check['verdict']).withContext(name).toBe('direct');
  const advice = String(check['advice']);
  if (isDialled) expect(advice).withContext(name).not.toMatch(SWITCH_ON);
  else
    expect(advice)
      .withContext(name)
      .toMatch(ADVICE[name] ?? SWITCH_ON);
  expect(code).withContext(name).toBe(0);
};
