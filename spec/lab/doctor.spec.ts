/** Whether `rxp2p doctor` says of each network of the lab what it is, and who reaches whom. */
import { from, lastValueFrom, mergeMap } from 'rxjs';
import type { NetCheck } from '../../lib/index.js';
import { labRun } from './lab-run.js';
import { NETWORKS, type Behaviour, type Network, type NetworkName } from './networks.js';
import { DEFAULT_PATH } from './path.js';
import { planPairs } from './plan.js';
import { said, type Fields } from './programs.js';
import { meetingPlaces, RXP2P, startServers } from './servers.js';
import { fewOf, LAB_LIMIT_MS, needsLab } from './support.js';
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
  const run = labRun();

  it(
    `says what ${NAMES.length} networks are, and how others get there`,
    async () => {
      needsLab();
      await run().with(planPairs(NAMES.map((name) => [name, name])), DEFAULT_PATH, async (topology) => {
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

/** What a NAT of a network is called, by what is seen of it from outside. */
const natTypeOf = ({ mapping, ports }: Behaviour): string => {
  if (mapping === 'none') return 'open';
  if (ports === 'preserved') return 'preserving';
  if (ports === 'scattered') return 'reuse';
  return ports.startsWith('delta') ? 'delta' : 'random';
};

/** The types of NATs that a check tells, by the families of addresses. */
const natsIn = ({ nats }: Fields): Readonly<Record<number, string>> =>
  Array.isArray(nats)
    ? Object.fromEntries(nats.map((nat: NetCheck['nats'][number]) => [nat.family, nat.natType.type]))
    : {};

/** The protocols of IPv4 by which a router has answered, and its name. */
const routerIn = ({ routers }: Fields): { readonly name: string | undefined; readonly speaks: readonly string[] } => {
  const all: readonly NetCheck['routers'][number][] = Array.isArray(routers) ? routers : [];
  const router = all.find(({ family }) => family === 4);
  const speaking = router?.protocols.filter(({ state }) => state === 'answers') ?? [];
  return { name: router?.name, speaks: speaking.map(({ protocol }) => protocol).sort() };
};

/** What is beside who reaches whom: the type of each NAT, the router, hairpin, IPv6 and the local network. */
const expectDescribed = (check: Fields, name: NetworkName): void => {
  const { behaviour, portMapping = {}, families, mapsInVain }: Network = NETWORKS[name];
  const told = natsIn(check);
  for (const family of families) {
    const seen = behaviour[family];
    // Through two NATs, or with few samples, a NAT that gives random ports may look otherwise by chance: others do not.
    if (seen !== undefined) expect(told[family]).withContext(`${name} IPv${family}`).toBe(natTypeOf(seen));
  }
  const router = routerIn(check);
  expect(router.speaks).withContext(name).toEqual(Object.keys(portMapping).sort());
  if (portMapping.upnp !== undefined)
    expect(router.name)
      .withContext(name)
      .toMatch(/router/i);
  // Where a port leads here: the routers of homes in the lab lead nobody back inside.
  const isOpened = Object.keys(portMapping).length > 0 && mapsInVain !== true;
  expect(check['hairpin'])
    .withContext(name)
    .toEqual(isOpened ? jasmine.objectContaining({ isPossible: false }) : undefined);
  const ipv6 = families.includes(6) ? (name === 'public' ? 'open' : 'closed') : 'none';
  expect(check['ipv6'])
    .withContext(name)
    .toEqual(jasmine.objectContaining({ state: ipv6 }));
  expect(check['lan'])
    .withContext(name)
    .toEqual(jasmine.objectContaining({ heard: jasmine.arrayContaining(['eth0']), failures: [] }));
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
  expectDescribed(check, name);
};
