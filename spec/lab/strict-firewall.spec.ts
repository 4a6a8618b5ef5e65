/** Whether a node connects that its firewall lets out to port 443 alone, as in many companies. */
import { join } from 'node:path';
import { needsCoturn } from '../support/stun.js';
import { putCertificate, webCertificate } from '../support/web-certificate.js';
import { labRun } from './lab-run.js';
import { DEFAULT_PATH } from './path.js';
import { addressOf, planPair } from './plan.js';
import type { Program } from './processes.js';
import { RXP2P, startTurn, turnAt } from './servers.js';
import { LAB_LIMIT_MS, needsLab } from './support.js';
import type { Topology } from './topology.js';
import { leftToCi } from '../support/left-to-ci.js';

const OPEN_PORT = 443;

/** Drops what a host sends to any other port, without a word. */
const STRICT = [
  'add table inet strict',
  'add chain inet strict out { type filter hook output priority filter; }',
  `add rule inet strict out oifname != "lo" tcp dport != ${OPEN_PORT} drop`,
].join('; ');

describe('A node that is let out to port 443 alone', () => {
  const run = labRun();

  const strict = async (topology: Topology): Promise<void> => {
    expect((await topology.run('a', ['nft', STRICT]).exited).code).toBe(0);
  };

  const start = (topology: Topology, host: 'a' | 'b', ...args: readonly string[]): Program =>
    topology.run(host, [process.execPath, RXP2P, ...args]);

  /** Expects that a dialer has met a listener that echoes, in such a way. */
  const expectMet = async (dialer: Program, way: string): Promise<void> => {
    await dialer.line((text) => text.startsWith('connected to ') && text.includes(` (${way}, `), dialer.stderr$);
    dialer.write('hello');
    expect((await dialer.line(() => true)).text).toBe('hello');
  };

  it(
    'meets another behind a random NAT by one server of ours, by its certificate',
    async () => {
      leftToCi();
      needsLab();
      await run().with(planPair(['preserving', 'random']), DEFAULT_PATH, async (topology) => {
        const address = addressOf(topology.plan, 's1', 4);
        const files = putCertificate((name) => join(run().directory, name), webCertificate(address));
        const { certFile, keyFile } = files;
        const tls = ['--http-port', `${OPEN_PORT}`, '--tls-cert', certFile, '--tls-key', keyFile];
        const serve = topology.run('s1', [process.execPath, RXP2P, 'serve', ...tls]);
        await serve.line((text) => text.startsWith('http'));
        await strict(topology);
        const places = ['--rendezvous', `wss://${address}`, '--ca', certFile];
        const unl = (await start(topology, 'b', 'listen', '--echo', ...places).line(() => true)).text;
        await expectMet(start(topology, 'a', 'connect', unl, ...places), 'relay, relayed');
      });
    },
    LAB_LIMIT_MS,
  );

  it(
    'has a TURN server there dial a peer that can be dialled, with no other server',
    async () => {
      leftToCi();
      needsLab();
      needsCoturn();
      await run().with(planPair(['preserving', 'public']), DEFAULT_PATH, async (topology) => {
        await startTurn(topology, 's2', OPEN_PORT);
        await strict(topology);
        const listener = start(topology, 'b', 'listen', '--echo', '--port', '9000');
        const unl = (await listener.line(() => true)).text;
        const turn = turnAt(addressOf(topology.plan, 's2', 4), OPEN_PORT);
        await expectMet(start(topology, 'a', 'connect', unl, ...turn), 'turn, relayed');
      });
    },
    LAB_LIMIT_MS,
  );
});
