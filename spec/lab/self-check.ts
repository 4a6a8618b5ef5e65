/** Checks each network against its description: by the endpoints that two servers see, and by who can connect into it. */
import { setTimeout as delay } from 'node:timers/promises';
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
import {
  classifyAddress,
  classifyFiltering,
  classifyMapping,
  classifyPorts,
  classifyUnsolicited,
  RANDOM_SAMPLES,
} from './observations.js';
import { DEFAULT_PATH, roundTripTime, type PathConfig } from './path.js';
import { addressOf, isSharedNetwork, planNetwork, planShared, wayOut } from './plan.js';
import { MAP_PORT } from './port-mapping.js';
import { Probe, type Dialled, type Endpoint } from './probe-client.js';
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
const FIRST_PORT_TO_MAP = 45000;

/** How late the fastest of a few packets may be on a busy machine; less than one line's delay there and back. */
const LATE_MS = 30;

/** A SYN without an answer by then met silence; before the kernel would send it again, after 1 s. */
const silenceMs = (path: PathConfig): number => 2 * roundTripTime(path) + 500;

/** Each network's report as soon as it is there, `parallel` networks at a time. */
export const check$ = (
  run: Run,
  names: readonly (NetworkName | SharedNetworkName)[],
  parallel: number,
): Observable<Report> => from(longestFirst(names)).pipe(mergeMap((name) => check(run, name), parallel));

/** What a router forgets only after a minute takes longer to check than all the rest. */
const longestFirst = (names: readonly (NetworkName | SharedNetworkName)[]) => {
  const networks: Readonly<Record<string, Network>> = NETWORKS;
  const forgetsAfterS = (name: string) => networks[name]?.forgetsAfterS ?? 0;
  return [...names].sort((one, other) => forgetsAfterS(other) - forgetsAfterS(one));
};

const check = async (run: Run, name: NetworkName | SharedNetworkName): Promise<Report> => {
  const begun = performance.now();
  const findings = await findingsOn(run, name).catch((failure: unknown) => {
    if (run.closed) throw failure;
    return [finding('the check', 'an end', String(failure))];
  });
  return { network: name, findings, elapsedMs: performance.now() - begun };
};

const findingsOn = (run: Run, name: NetworkName | SharedNetworkName): Promise<Finding[]> =>
  isSharedNetwork(name) ? checkShared(run, SHARED_NETWORKS[name]) : checkNetwork(run, NETWORKS[name]);

/** For the terminal: one line for a network that is as it should be, and what is wrong with one that is not. */
export const describeReport = ({ network, findings, elapsedMs }: Report): string => {
  const wrong = findings.filter(({ ok }) => !ok);
  const verdict = wrong.length === 0 ? `ok (${findings.length} findings, ${(elapsedMs / 1000).toFixed(1)} s)` : 'WRONG';
  const details = wrong.map(({ what, expected, seen }) => `\n    ${what}: expected ${expected}, saw ${seen}`);
  return `${network}: ${verdict}${details.join('')}`;
};

/** Builds a network and compares what is seen with what `described` says; they differ only in specs of the check itself. */
export const checkNetwork = (run: Run, network: Network, described = network): Promise<Finding[]> =>
  run.with(planNetwork(network), DEFAULT_PATH, async (topology) => {
    const a = new Probe(topology, 'a');
    const servers = await startServers(topology);
    const findings: Finding[] = [];
    for (const family of described.families) {
      const expected = described.behaviour[family];
      if (expected !== undefined) findings.push(...(await checkBehaviour(topology, a, servers, family, expected)));
    }
    if (!described.families.includes(4)) return findings;
    findings.push(...(await checkPortMapping(topology, a, servers, described)));
    findings.push(await checkNewFlows(topology, a, described));
    if (described.forgetsAfterS !== undefined)
      findings.push(...(await checkMemory(topology, a, servers, described.forgetsAfterS)));
    return findings;
  });

/** The same of a network that two hosts share: what each is seen from the internet, and what they are to each other. */
export const checkShared = (run: Run, network: SharedNetwork, described = network): Promise<Finding[]> =>
  run.with(planShared(network), DEFAULT_PATH, async (topology) => {
    const a = new Probe(topology, 'a');
    const servers = await startServers(topology);
    const alone = await checkBehaviour(topology, a, servers, 4, described.behaviour);
    return [...alone, ...(await checkBetween(topology, a, described))];
  });

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
  const ports = await classifyPortsOf(localPorts, consecutive, (port) =>
    a.dial(port, { address: first, port: SERVER_PORT }, silence),
  );

  const [mapped, idle] = [base + 10, base + 20];
  const external = (await from(mapped, first)).seen;
  await Promise.all([a.listen(mapped), a.listen(idle)]);
  const [otherPort, otherAddress, unsolicited] = await Promise.all([
    s1.dial(0, external, silence),
    s2.dial(0, external, silence),
    s2.dial(0, { ...external, port: idle }, silence),
  ]);

  const way = await Promise.all(
    wayOut(topology.plan, 'a').map(({ ends }) => topology.sourceAddress(ends[0].node, first)),
  );
  const outermost = way.at(expected.mapping === 'none' ? 0 : -1);
  const fastest = Math.min(...consecutive.map(({ ms }) => ms));
  return [
    finding('addresses on the way out', expected.addresses.join(', '), way.map(classifyAddress).join(', ')),
    finding('external address', String(outermost), samples.first.address),
    finding('mapping', expected.mapping, classifyMapping(samples)),
    finding('ports', expected.ports, ports),
    finding('filtering', expected.filtering, classifyFiltering(otherPort, otherAddress)),
    finding('unsolicited SYN', expected.unsolicited, classifyUnsolicited(unsolicited)),
    roundTrip(topology.path, fastest),
  ].map((each) => ({ ...each, what: `IPv${family} ${each.what}` }));
};

/** How many of a burst of new flows get through before the kernel would send a SYN again. */
const checkNewFlows = async (topology: Topology, a: Probe, { newFlowsPerSecond }: Network): Promise<Finding> => {
  const server = { address: addressOf(topology.plan, 's1', 4), port: SERVER_PORT };
  // What the checks before have used up is back by then.
  await delay(2_000);
  const dials = Array.from({ length: BURST_FLOWS }, () => a.dial(0, server, silenceMs(topology.path)));
  const through = (await Promise.all(dials)).filter(({ outcome }) => outcome === 'open').length;
  const most = newFlowsPerSecond === undefined ? BURST_FLOWS : 2 * newFlowsPerSecond;
  const least = newFlowsPerSecond ?? BURST_FLOWS - LOST_FLOWS;
  const expected = `${least} to ${most} get out`;
  const seen = through >= least && through <= most ? expected : `${through} get out`;
  return finding(`${BURST_FLOWS} new flows at once`, expected, seen);
};

/** See {@link SPARE_SAMPLES}. */
const LOST_FLOWS = 6;

const BURST_FLOWS = 60;

/** Whether a connection that has been silent for a little longer, or half as long, still brings what the server says. */
const checkMemory = async (
  topology: Topology,
  a: Probe,
  { s1 }: Servers,
  forgetsAfterS: number,
): Promise<Finding[]> => {
  const server = { address: addressOf(topology.plan, 's1', 4), port: SERVER_PORT };
  const silence = silenceMs(topology.path);
  const afterSilence = async (localPort: number, seconds: number): Promise<string> => {
    const { seen } = opened(await a.dial(localPort, server, silence));
    await delay(seconds * 1000);
    const heard = a.hears(localPort, silence);
    await s1.say(seen.port);
    return (await heard) ? 'is there' : 'is forgotten';
  };
  const [half, whole] = [forgetsAfterS / 2, forgetsAfterS + 5];
  const [shorter, longer] = await Promise.all([
    afterSilence(FORGETTING_PORT, half),
    afterSilence(FORGETTING_PORT + 1, whole),
  ]);
  return [
    finding(`a connection after ${half} s of silence`, 'is there', shorter),
    finding(`a connection after ${whole} s of silence`, 'is forgotten', longer),
  ];
};

const FORGETTING_PORT = 47000;

/** A few in a row tell preservation and a step; only many at once tell random ports from irregular ones. */
const classifyPortsOf = async (
  localPorts: readonly number[],
  consecutive: readonly { readonly seen: Endpoint }[],
  dialFrom: (localPort: number) => Promise<Dialled>,
): Promise<string> => {
  const few = classifyPorts(localPorts, portsOf(consecutive));
  if (few !== 'irregular') return few;
  const manyLocal = Array.from({ length: RANDOM_SAMPLES + SPARE_SAMPLES }, (_, i) => Math.max(...localPorts) + 100 + i);
  const dialled = await Promise.all(manyLocal.map(dialFrom));
  const many = portsOf(dialled.filter((each) => each.outcome === 'open')).slice(0, RANDOM_SAMPLES);
  const ports = classifyPorts(manyLocal.slice(0, many.length), many);
  return ports === 'irregular' ? `irregular: ${many.slice(0, PORTS_SHOWN).join(', ')}, …` : ports;
};

/** Where a NAT computes the port, two of many connections to one server may get the same, and the later one is lost. */
const SPARE_SAMPLES = 16;

const PORTS_SHOWN = 8;

const portsOf = (dialled: readonly { readonly seen: Endpoint }[]): number[] => dialled.map(({ seen }) => seen.port);

/** Which protocols the gateway answers, and whether a port that it says it opened lets a stranger in. */
const checkPortMapping = async (
  topology: Topology,
  a: Probe,
  { s2 }: Servers,
  network: Network,
): Promise<Finding[]> => {
  const gateway = topology.plan.nodes.get('a')?.routes[0]?.via ?? '';
  const host = addressOf(topology.plan, 'a', 4);
  // A port for each, as a gateway that speaks several need not map one port twice.
  const check = async (protocol: PortMappingProtocol, i: number): Promise<Finding> => {
    const port = FIRST_PORT_TO_MAP + i;
    await a.listen(port);
    const mapped = await MAP_PORT[protocol]({ probe: a, gateway, host, port });
    if (typeof mapped === 'string') return finding(protocol, expectedOf(network, protocol), mapped);
    const { outcome } = await s2.dial(0, mapped.external, silenceMs(topology.path));
    const seen = outcome === 'open' ? opensPort(mapped.version) : mapsInVain(mapped.version, outcome);
    return finding(protocol, expectedOf(network, protocol), seen);
  };
  return Promise.all(PORT_MAPPING_PROTOCOLS.map(check));
};

const expectedOf = (network: Network, protocol: PortMappingProtocol): string => {
  const version = network.portMapping?.[protocol];
  if (version !== undefined) return network.mapsInVain ? mapsInVain(version, 'silent') : opensPort(version);
  // Nobody refuses a multicast.
  return protocol === 'upnp' || network.swallows?.includes(protocol) === true ? 'silent' : 'refused';
};

const opensPort = (version: string): string => `opens a port (${version})`;
const mapsInVain = (version: string, outcome: Dialled['outcome']): string =>
  `says that it opened a port (${version}), but a SYN meets ${outcome}`;

/** What two hosts behind one router are to each other: over its inner side, and from one external endpoint to the other. */
const checkBetween = async (topology: Topology, a: Probe, network: SharedNetwork): Promise<Finding[]> => {
  const b = new Probe(topology, 'b');
  const silence = silenceMs(topology.path);
  const server = { address: addressOf(topology.plan, 's1', 4), port: SERVER_PORT };
  const external = async (probe: Probe, port: number) => opened(await probe.dial(port, server, silence)).seen;
  const dialing = await external(a, PORTS.dialing);
  const listening = await external(b, PORTS.listening);
  await Promise.all([b.listen(PORTS.listening), b.listen(PORTS.lan)]);

  const lan = await a.dial(0, { address: addressOf(topology.plan, 'b', 4), port: PORTS.lan }, silence);
  const oneSided = await a.dial(PORTS.dialing, listening, silence);
  const reachable = (is: boolean) => (is ? 'reachable' : 'unreachable');
  const findings = [
    finding('external address of the other', dialing.address, listening.address),
    finding('private address of the other', reachable(network.oneLink), reachable(lan.outcome === 'open')),
  ];
  if (network.own.length === 0) {
    findings.push(finding('SYN to the external endpoint', network.hairpin, classifyUnsolicited(oneSided)));
    if (oneSided.outcome === 'open')
      findings.push(finding('source of a hairpinned SYN', formatEndpoint(dialing), formatEndpoint(oneSided.seen)));
    return findings;
  }

  // Each home filters for itself: it lets in an answer to its own SYN and nothing else.
  const home = await topology.sourceAddress('home-b', server.address);
  const fromNextDoor = await a.dial(0, { address: home, port: listening.port }, silence);
  const [aSending, bSending] = [await external(a, PORTS.aSending), await external(b, PORTS.bSending)];
  const [bothSided] = await Promise.all([
    a.dial(PORTS.aSending, bSending, silence),
    b.dial(PORTS.bSending, aSending, silence),
  ]);
  return [
    ...findings,
    finding('SYN to the external endpoint, unasked for', 'dropped', classifyUnsolicited(oneSided)),
    finding('SYN to the home next door', 'dropped', classifyUnsolicited(fromNextDoor)),
    finding('SYNs to the external endpoints of each other', network.hairpin, classifyUnsolicited(bothSided)),
  ];
};

/** A port that listens can't dial, so the two hosts have several. */
const PORTS = { dialing: 44000, listening: 44001, lan: 44002, aSending: 44003, bSending: 44004 } as const;

const formatEndpoint = ({ address, port }: Endpoint): string => `${address}:${port}`;

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
