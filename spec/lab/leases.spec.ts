/** How rxp2p keeps a port open that a real miniupnpd has opened. */
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { labRun } from './lab-run.js';
import { NETWORKS } from './networks.js';
import { DEFAULT_PATH } from './path.js';
import { addressOf, planNetwork } from './plan.js';
import { said } from './programs.js';
import { RXP2P } from './servers.js';
import { fewOf, LAB_LIMIT_MS, needsLab } from './support.js';

const NODE = fileURLToPath(new URL('node.js', import.meta.url));

/** Asked for in milliseconds: renewed soon enough to be seen, and not over before a router has restarted on a busy machine. */
const LEASE_MS = '8000';
const CHECK_MS = '500';

/** Between two looks at a router's table, which tells nobody when it changes. */
const POLL_MS = 50;

describe('rxp2p behind a router that has opened a port', () => {
  const run = labRun();

  for (const { name, protocol } of fewOf(
    [
      { name: 'upnp-igd1', protocol: 'upnp' },
      { name: 'upnp-igd2', protocol: 'upnp' },
      { name: 'natpmp', protocol: 'nat-pmp' },
      { name: 'pcp', protocol: 'pcp' },
    ],
    [{ name: 'pcp', protocol: 'pcp' }],
  )) {
    it(
      `renews the lease, and makes it anew when the router restarts (${name})`,
      async () => {
        needsLab();
        await run().with(planNetwork(NETWORKS[name]), DEFAULT_PATH, async (topology) => {
          const server = topology.run('s1', [process.execPath, RXP2P, 'serve']);
          await server.line((text) => text.startsWith('http'));
          const options = ['--lease', LEASE_MS, '--check', CHECK_MS, '--only', protocol];
          const rendezvous = `${addressOf(topology.plan, 's1', 4)}:8000`;
          const node = topology.run('a', [process.execPath, NODE, '--rendezvous', rendezvous, ...options]);
          await said(node.stdout$, ({ type, isReachable }) => type === 'reach' && isReachable === true);
          const [first = 0] = topology.leases('home-a');
          expect(first).toBeGreaterThan(0);
          await until(() => topology.leases('home-a').some((expiry) => expiry > first));
          expect(await topology.restartMappings('home-a')).toEqual([]);
          await until(async () => (await topology.mappings('home-a')).length > 0);
          await node.kill('SIGINT');
          expect(await topology.mappings('home-a')).toEqual([]);
        });
      },
      LAB_LIMIT_MS,
    );
  }
});

/** One that never comes is ended by the spec's own limit. */
const until = async (isTrue: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await isTrue())) await delay(POLL_MS);
};
