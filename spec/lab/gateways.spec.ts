/** rxp2p behind routers with a real miniupnpd: what it opens, keeps open, and gives back. */
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Observable } from 'rxjs';
import { labRun } from './lab-run.js';
import { DUAL_STACK_GATEWAY, LYING_GATEWAY, NETWORKS, SHARED_NETWORKS, type Network, type Router } from './networks.js';
import { DEFAULT_PATH } from './path.js';
import { addressOf, planNetwork, planShared, type Plan } from './plan.js';
import type { Line, Program } from './processes.js';
import { said, type Fields } from './programs.js';
import { RXP2P } from './servers.js';
import { fewOf, LAB_LIMIT_MS, needsLab } from './support.js';
import type { Topology } from './topology.js';
import { leftToCi } from '../support/left-to-ci.js';

const NODE = fileURLToPath(new URL('node.js', import.meta.url));
const PORT = '40000';

/** Between two looks at a router's table. */
const POLL_MS = 50;

/** Far longer than any of it takes: it never came. */
const NEVER_MS = 30_000;

const networkOf = (fields: Partial<Network>): Plan => planNetwork({ ...NETWORKS.preserving, ...fields });
const silent = () => planNetwork(NETWORKS['upnp-off']);
const behindAnother = () => networkOf({ routers: [LYING_GATEWAY, ...NETWORKS.cgnat.routers.slice(1)] });
const dualStack = () => networkOf({ families: [4, 6], routers: [DUAL_STACK_GATEWAY] });

const ALL_PROTOCOLS: Router = { ...NETWORKS['upnp-igd2'].routers[0], miniupnpd: 'enable_upnp=yes\nenable_natpmp=yes' };
const twoHosts = () => planShared({ ...SHARED_NETWORKS['same-lan'], router: ALL_PROTOCOLS });

describe('rxp2p behind a router that opens ports', () => {
  const run = labRun();

  const on = (what: string, plan: () => Plan, work: (topology: Topology) => Promise<void>, needs = needsLab) => {
    it(
      what,
      async () => {
        needs();
        await run().with(plan(), DEFAULT_PATH, async (topology) => {
          const server = topology.run('s1', [process.execPath, RXP2P, 'serve']);
          await server.line((text) => text.startsWith('http'));
          await work(topology);
        });
      },
      LAB_LIMIT_MS,
    );
  };

  for (const { name, protocol } of fewOf(
    [
      { name: 'upnp-igd1', protocol: 'upnp' },
      { name: 'upnp-igd2', protocol: 'upnp' },
      { name: 'natpmp', protocol: 'nat-pmp' },
      { name: 'pcp', protocol: 'pcp' },
    ],
    [{ name: 'natpmp', protocol: 'nat-pmp' }],
  )) {
    const plan = () => planNetwork(NETWORKS[name]);

    on(`${name}: has a port opened, proven from outside, and closed at Ctrl-C`, plan, async (topology) => {
      const listener = listen(topology, 'a');
      const reach = await event(listener.stderr$, 'reach');
      const external = `${addressOf(topology.plan, 'home-a', 4)}:${PORT}`;
      expect(reach).toEqual(jasmine.objectContaining({ reachable: true, protocol, external, endpoint: external }));
      const attempts = await event(listener.stderr$, 'port-mapping', ({ outcome }) => outcome === 'succeeded');
      expect(attempts).toEqual(jasmine.objectContaining({ protocol, elapsedMs: jasmine.any(Number) }));
      expect(await topology.mappings('home-a')).toContain(jasmine.stringContaining(`192.168.1.11:${PORT}`));
      await listener.kill('SIGINT');
      expect(await topology.mappings('home-a')).toEqual([]);
    });
  }

  on(
    'takes no longer than its slowest probe where the gateway is silent',
    silent,
    async (topology) => {
      const node = start(topology, 'a');
      const reach = await said(node.stdout$, ({ type }) => type === 'reach');
      expect(reach).toEqual(jasmine.objectContaining({ isReachable: false, isBehindAnotherNat: false }));
      expect(reach['words']).toMatch(/did not answer by PCP .*did not answer by NAT-PMP .*did not answer by UPnP/);
    },
    needsLabInCi,
  );

  on('recognises another NAT before the router, and gives the port back', behindAnother, async (topology) => {
    const node = start(topology, 'a');
    const reach = await said(node.stdout$, ({ type }) => type === 'reach');
    expect(reach).toEqual(jasmine.objectContaining({ isReachable: false, isBehindAnotherNat: true }));
    expect(reach['words']).toMatch(
      /leads 45\.99\.99\.99:40000 here .*others see this node at .*another NAT stands before/,
    );
    await until(async () => (await topology.mappings('home-a')).length === 0);
  });

  on(
    'gives two hosts that want the same port one each',
    twoHosts,
    async (topology) => {
      const listeners = [listen(topology, 'a'), listen(topology, 'b')];
      const reaches = await Promise.all(listeners.map(({ stderr$ }) => event(stderr$, 'reach')));
      expect(reaches.map(({ reachable }) => reachable)).toEqual([true, true]);
      expect(new Set(reaches.map(({ external }) => external)).size).toBe(2);
      await Promise.all(listeners.map((listener) => listener.kill('SIGINT')));
      expect(await topology.mappings('common')).toEqual([]);
    },
    needsLabInCi,
  );

  for (const protocol of fewOf(['pcp', 'upnp'], ['pcp'])) {
    on(
      `is let through to an IPv6 address by ${protocol}`,
      dualStack,
      async (topology) => {
        const server = addressOf(topology.plan, 's1', 6);
        const node = start(topology, 'a', ['--only', protocol, '--reachability', `http://[${server}]:8080`]);
        const reach = await said(node.stdout$, ({ type, family }) => type === 'reach' && family === 6);
        const endpoint = { address: addressOf(topology.plan, 'a', 6), port: Number(PORT) };
        expect(reach).toEqual(jasmine.objectContaining({ isReachable: true, endpoint }));
        expect(reach['mapping']).toEqual(jasmine.objectContaining({ protocol, external: endpoint }));
        await node.kill('SIGINT');
        expect(await topology.mappings('home-a')).toEqual([]);
      },
      needsLabInCi,
    );
  }
});

function needsLabInCi(): void {
  leftToCi();
  needsLab();
}

const rendezvous = (topology: Topology) => ['--rendezvous', `${addressOf(topology.plan, 's1', 4)}:8000`];

const listen = (topology: Topology, host: string): Program =>
  topology.run(host, [process.execPath, RXP2P, 'listen', ...rendezvous(topology), '--port', PORT, '--json']);

const start = (topology: Topology, host: string, options: readonly string[] = []): Program =>
  topology.run(host, [process.execPath, NODE, ...rendezvous(topology), '--port', PORT, ...options]);

const event = (line$: Observable<Line>, name: string, isWanted: (fields: Fields) => boolean = () => true) =>
  said(line$, (fields) => fields['event'] === name && isWanted(fields));

/** A router's table tells nobody when it changes. */
const until = async (isTrue: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + NEVER_MS;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`It has not come within ${NEVER_MS} ms: ${String(isTrue)}`);
    await delay(POLL_MS);
  }
};
