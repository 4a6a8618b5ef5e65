/** Proves that each network is what its description says, by what is seen of it from two servers and by who gets in. */
import { from, mergeMap, type Observable } from 'rxjs';
import {
  NETWORKS,
  PORT_MAPPING_PROTOCOLS,
  SHARED_NETWORKS,
  type Behaviour,
  type Family,
  type Network,
  type NetworkName,
  type PortMappingProtocol,
  type SharedNetwork,
  type SharedNetworkName,
} from './networks.js';
import { classifyFiltering, classifyMapping, classifyPorts, classifyUnsolicited } from './observations.js';
import { DEFAULT_PATH, roundTripTime, type PathConfig } from './path.js';
import { addressOf, isSharedNetwork, planNetwork, planPair } from './plan.js';
import { MAP_PORT } from './port-mapping.js';
import { Probe, type Dialled } from './probe-client.js';
import type { Run } from './run.js';
import type { Topology } from './topology.js';

export interface Finding {
  readonly what: string;
  readonly expected: string;
  readonly seen: string;
  readonly ok: boolean;
}

export interface Report {
  readonly network: string;
  readonly findings: readonly Finding[];
  readonly elapsedMs: number;
}

const SERVER_PORT = 7001;
const OTHER_SERVER_PORT = 7002;

/** Where a host's ports begin, so that what one family leaves behind is not in the other's way. */
const FIRST_PORT: Readonly<Record<Family, number>> = { 4: 40000, 6: 50000 };
const PORT_TO_MAP = 45000;

/** How late the fastest of a few packets may be on a busy machine; less than one line's delay there and back. */
const LATE_MS = 30;

/** A SYN without an answer by then met silence; before the kernel would send it again, after 1 s. */
const silenceMs = (path: PathConfig): number => 2 * roundTripTime(path) + 500;

/** Each network's report as soon as it is there, `parallel` networks at a time. */
export const check$ = (
  run: Run,
  names: readonly (NetworkName | SharedNetworkName)[],
  parallel: number,
): Observable<Report> => from(names).pipe(mergeMap((name) => check(run, name), parallel));

const check = async (run: Run, name: NetworkName | SharedNetworkName): Promise<Report> => {
  const begun = performance.now();
  const findings = await findingsOn(run, name).catch((failure: unknown) => {
    if (run.closed) throw failure;
    return [finding('the check', 'an end', String(failure))];
  });
  return { network: name, findings, elapsedMs: performance.now() - begun };
};

const findingsOn = (run: Run, name: NetworkName | SharedNetworkName): Promise<Finding[]> =>
  isSharedNetwork(name)
    ? run.with(planPair([name]), DEFAULT_PATH, (topology) => checkShared(topology, SHARED_NETWORKS[name]))
    : run.with(planNetwork(name), DEFAULT_PATH, (topology) => checkNetwork(topology, NETWORKS[name]));

/** For the terminal: one line for a network that is as it should be, and what is wrong with one that is not. */
export const describeReport = ({ network, findings, elapsedMs }: Report): string => {
  const wrong = findings.filter(({ ok }) => !ok);
  const verdict = wrong.length === 0 ? `ok (${findings.length} findings, ${(elapsedMs / 1000).toFixed(1)} s)` : 'WRONG';
  const details = wrong.map(({ what, expected, seen }) => `\n    ${what}: expected ${expected}, saw ${seen}`);
  return `${network}: ${verdict}${details.join('')}`;
};

export const checkNetwork = async (topology: Topology, network: Network): Promise<Finding[]> => {
  const a = new Probe(topology, 'a');
  const servers = await startServers(topology);
  const findings: Finding[] = [];
  for (const family of network.families) {
    const expected = network.behaviour[family];
    if (expected !== undefined) findings.push(...(await checkBehaviour(topology, a, servers, family, expected)));
  }
  if (network.families.includes(4)) findings.push(...(await checkPortMapping(topology, a, servers, network)));
  return findings;
};

interface Servers {
  readonly s1: Probe;
  readonly s2: Probe;
}

const startServers = async (topology: Topology): Promise<Servers> => {
  const servers = { s1: new Probe(topology, 's1'), s2: new Probe(topology, 's2') };
  await Promise.all([
    servers.s1.listen(SERVER_PORT),
    servers.s1.listen(OTHER_SERVER_PORT),
    servers.s2.listen(SERVER_PORT),
  ]);
  return servers;
};

const checkBehaviour = async (
  topology: Topology,
  a: Probe,
  { s1, s2 }: Servers,
  family: Family,
  expected: Behaviour,
): Promise<Finding[]> => {
  const silence = silenceMs(topology.path);
  const [first, second] = [addressOf(topology.plan, 's1', family), addressOf(topology.plan, 's2', family)];
  const from = async (localPort: number, address: string, port = SERVER_PORT) =>
    opened(await a.dial(localPort, { address, port }, silence));
  const base = FIRST_PORT[family];

  // One after the other, since a sequential NAT counts.
  const samples = {
    local: { address: addressOf(topology.plan, 'a', family), port: base },
    first: (await from(base, first)).seen,
    otherPort: (await from(base, first, OTHER_SERVER_PORT)).seen,
    otherAddress: (await from(base, second)).seen,
  };
  const localPorts = [base + 1, base + 2, base + 3, base + 4];
  const consecutive = [];
  for (const port of localPorts) consecutive.push(await from(port, first));

  const [mapped, idle] = [base + 10, base + 20];
  const external = (await from(mapped, first)).seen;
  await Promise.all([a.listen(mapped), a.listen(idle)]);
  const [otherPort, otherAddress, unsolicited] = await Promise.all([
    s1.dial(0, external, silence),
    s2.dial(0, external, silence),
    s2.dial(0, { ...external, port: idle }, silence),
  ]);

  const seenPorts = consecutive.map(({ seen }) => seen.port);
  const fastest = Math.min(...consecutive.map(({ ms }) => ms));
  return [
    finding('mapping', expected.mapping, classifyMapping(samples)),
    finding('ports', expected.ports, classifyPorts(localPorts, seenPorts)),
    finding('filtering', expected.filtering, classifyFiltering(otherPort, otherAddress)),
    finding('unsolicited SYN', expected.unsolicited, classifyUnsolicited(unsolicited)),
    roundTrip(topology.path, fastest),
  ].map((each) => ({ ...each, what: `IPv${family} ${each.what}` }));
};

/** Which protocols the gateway answers, and whether a port that it says it opened lets a stranger in. */
const checkPortMapping = async (
  topology: Topology,
  a: Probe,
  { s2 }: Servers,
  network: Network,
): Promise<Finding[]> => {
  const gateway = topology.plan.nodes.get('a')?.routes[0]?.via ?? '';
  const host = addressOf(topology.plan, 'a', 4);
  await a.listen(PORT_TO_MAP);
  const check = async (protocol: PortMappingProtocol): Promise<Finding> => {
    const mapped = await MAP_PORT[protocol]({ probe: a, gateway, host, port: PORT_TO_MAP });
    if (typeof mapped === 'string') return finding(protocol, expectedOf(network, protocol), mapped);
    const { outcome } = await s2.dial(0, mapped.external, silenceMs(topology.path));
    const seen = outcome === 'open' ? opensPort(mapped.version) : `says it mapped, but a SYN meets ${outcome}`;
    return finding(protocol, expectedOf(network, protocol), seen);
  };
  return Promise.all(PORT_MAPPING_PROTOCOLS.map(check));
};

const expectedOf = ({ portMapping, swallows }: Network, protocol: PortMappingProtocol): string => {
  if (portMapping?.protocol === protocol) return opensPort(portMapping.version);
  // Nobody refuses a multicast.
  return protocol === 'upnp' || swallows?.includes(protocol) === true ? 'silent' : 'refused';
};

const opensPort = (version: string): string => `opens a port (${version})`;

export const checkShared = async (topology: Topology, network: SharedNetwork): Promise<Finding[]> => {
  const [a, b] = [new Probe(topology, 'a'), new Probe(topology, 'b')];
  await startServers(topology);
  const silence = silenceMs(topology.path);
  const server = { address: addressOf(topology.plan, 's1', 4), port: SERVER_PORT };
  const [aPort, bPort, lanPort] = [FIRST_PORT[4], FIRST_PORT[4] + 1, FIRST_PORT[4] + 2];
  const [{ seen: aSeen }, { seen: bSeen }] = [
    opened(await a.dial(aPort, server, silence)),
    opened(await b.dial(bPort, server, silence)),
  ];
  const dials = await Promise.all([1, 2, 3, 4].map(() => a.dial(0, server, silence)));

  await b.listen(lanPort);
  const lan = await a.dial(0, { address: addressOf(topology.plan, 'b', 4), port: lanPort }, silence);

  const dialEachOther = async () => {
    // A home lets in only an answer to its own SYN, so both send one; without homes, b's port would refuse the earlier one.
    if (network.own.length === 0) await b.listen(bPort);
    const others = network.own.length === 0 ? [] : [b.dial(bPort, aSeen, silence)];
    const [hairpin] = await Promise.all([a.dial(aPort, bSeen, silence), ...others]);
    return hairpin;
  };

  const reachable = (is: boolean) => (is ? 'reachable' : 'unreachable');
  return [
    finding('external addresses', 'the same', aSeen.address === bSeen.address ? 'the same' : 'different'),
    finding('private address of the other', reachable(network.oneLink), reachable(lan.outcome === 'open')),
    finding('SYN to the external endpoint of the other', network.hairpin, classifyUnsolicited(await dialEachOther())),
    roundTrip(topology.path, Math.min(...dials.map((each) => opened(each).ms))),
  ];
};

const opened = (dialled: Dialled): Dialled & { outcome: 'open' } => {
  if (dialled.outcome === 'open') return dialled;
  throw new Error(`A server could not be reached from inside: ${dialled.outcome}`);
};

const finding = (what: string, expected: string, seen: string): Finding => ({
  what,
  expected,
  seen,
  ok: expected === seen,
});

const roundTrip = (path: PathConfig, ms: number): Finding => {
  const expected = roundTripTime(path);
  return {
    what: 'round trip to a server',
    expected: `${expected} ms`,
    seen: `${ms.toFixed(1)} ms`,
    ok: ms >= expected && ms < expected + LATE_MS,
  };
};
