/** Whether STUN servers show each network of the lab as our own servers do. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { needsCoturn } from '../support/stun.js';
import { labRun } from './lab-run.js';
import { NETWORKS, type Network, type NetworkName } from './networks.js';
import { DEFAULT_PATH } from './path.js';
import { addressOf, familiesOf, planPairs, SERVERS } from './plan.js';
import { said } from './programs.js';
import { RXP2P } from './servers.js';
import { fewOf, LAB_LIMIT_MS, needsLab } from './support.js';
import type { Topology } from './topology.js';
import { leftToCi } from '../support/left-to-ci.js';

const NODE = fileURLToPath(new URL('node.js', import.meta.url));
const STUN_PORT = 3_478;

/** Five ports, each seen from two addresses. */
const SAMPLES = 10;

/** One whose type takes two addresses to tell, and one with IPv6 alone. CI takes all networks. */
const FEW: readonly NetworkName[] = ['delta3', 'ipv6-firewall'];
const isNetworkName = (name: string): name is NetworkName => Object.hasOwn(NETWORKS, name);
const NAMES = fewOf(Object.keys(NETWORKS).filter(isNetworkName), FEW);

describe('A NAT as STUN servers show it', () => {
  const run = labRun();

  it(
    `is what our own servers show of ${NAMES.length} networks, by two servers and by one with two addresses`,
    async () => {
      leftToCi();
      needsLab();
      needsCoturn();
      await run().with(planPairs(NAMES.map((name) => [name, name])), DEFAULT_PATH, async (topology) => {
        await startServers(topology, run().directory);
        for (const name of NAMES) {
          const host = `a-${name}`;
          const ours = await natOf(topology, host, rendezvous(topology, host));
          expect(await natOf(topology, host, stun(topology, host, SERVERS)))
            .withContext(`${name}, by two servers`)
            .toEqual(ours);
          expect(
            await natOf(topology, host, [...rendezvous(topology, host).slice(0, 2), ...stun(topology, host, ['s2'])]),
          )
            .withContext(`${name}, by a rendezvous server and a STUN server`)
            .toEqual(ours);
          const { families }: Network = NETWORKS[name];
          if (families.includes(4)) {
            expect(await natOf(topology, host, ['--stun', `${addressOf(topology.plan, 's1', 4)}:${STUN_PORT}`]))
              .withContext(`${name}, by one server with two addresses`)
              .toEqual(ours);
          }
        }
      });
    },
    NAMES.length * LAB_LIMIT_MS,
  );
});

/** Both servers of the lab run ours and coturn; the first has a second address. */
const startServers = async (topology: Topology, directory: string): Promise<void> => {
  const [first] = SERVERS;
  const second = addressOf(topology.plan, first, 4).replace(/\d+$/, '3');
  await topology.run(first, ['ip', 'addr', 'add', `${second}/24`, 'dev', 'eth0']).exited;
  const programs = SERVERS.flatMap((server) => {
    const own = familiesOf(topology.plan, server).map((family) => addressOf(topology.plan, server, family));
    const addresses = server === first ? [...own, second] : own;
    const listening = addresses.flatMap((address) => ['--listening-ip', address]);
    const options = ['-n', '--verbose', '--stun-only', '--no-cli', '--no-udp', '--no-tls', '--no-dtls'];
    const files = ['--pidfile', join(directory, `${server}.pid`), '--log-file', 'stdout'];
    const coturn = topology.run(server, ['turnserver', ...options, ...files, ...listening]);
    const ours = topology.run(server, [process.execPath, RXP2P, 'serve']);
    return [
      coturn.line((text) => text.includes(`listener opened on : ${addresses.at(-1) ?? ''}`)),
      ours.line((text) => text.startsWith('http')),
    ];
  });
  await Promise.all(programs);
};

/** What a node finds that knows some servers, by the family that it goes by there. */
const natOf = async (topology: Topology, host: string, servers: readonly string[]) => {
  const node = topology.run(host, [process.execPath, NODE, ...servers]);
  // On a busy machine the first look may be over before all have answered; then it looks again.
  const { natType, family } = await said(node.stdout$, ({ type, samples }) => type === 'nat' && samples === SAMPLES);
  await node.kill();
  return { natType, family };
};

const by = (topology: Topology, host: string, server: string): string => {
  const family = familiesOf(topology.plan, host).includes(4) ? 4 : 6;
  const address = addressOf(topology.plan, server, family);
  return family === 4 ? address : `[${address}]`;
};

const rendezvous = (topology: Topology, host: string): string[] =>
  SERVERS.flatMap((server) => ['--rendezvous', `${by(topology, host, server)}:8000`]);

const stun = (topology: Topology, host: string, servers: readonly string[]): string[] =>
  servers.flatMap((server) => ['--stun', `${by(topology, host, server)}:${STUN_PORT}`]);
